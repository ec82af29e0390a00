/** A map that is made when it is first asked something: most commits leave most lists of a table alone. */
export class LazyMap<K, V> {
  readonly #make: () => Map<K, V>
  #made: Map<K, V> | undefined

  constructor(make: () => Map<K, V>) {
    this.#make = make
  }

  get #map(): Map<K, V> {
    return (this.#made ??= this.#make())
  }

  /** Not asked yet: it is what it was made of. */
  get isUntouched(): boolean {
    return this.#made === undefined
  }

  get size(): number {
    return this.#map.size
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  set(key: K, value: V): void {
    this.#map.set(key, value)
  }

  delete(key: K): boolean {
    return this.#map.delete(key)
  }

  keys(): MapIterator<K> {
    return this.#map.keys()
  }

  values(): MapIterator<V> {
    return this.#map.values()
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.#map.entries()
  }
}
