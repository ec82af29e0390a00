/** The kinds of values that settings have: how each is read, and what a person is told who wrote another one. */
import { parseKey } from './access/secrets.ts'
import { parseRange, type AddressRange } from './http/addresses.ts'

/** A setting that can't be used. Its message is for the person who starts the server. */
export class SettingsError extends Error {}

export interface Setting<T> {
  readonly parse: (text: string, name: string) => T
  readonly fallback: T
}

export const integer = (min: number, max: number, fallback: number): Setting<number> => ({
  fallback,
  parse: (text, name) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
    if (value >= min && value <= max) return value
    throw new SettingsError(`${name} must be an integer from ${min} to ${max}, not ${JSON.stringify(text)}`)
  },
})
const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['false', false],
  ['0', false],
  ['no', false],
])
export const flag: Setting<boolean> = {
  fallback: false,
  parse: (text, name) => {
    const value = TRUTHS.get(text.toLowerCase())
    if (value === undefined) throw new SettingsError(`${name} must be true or false, not ${JSON.stringify(text)}`)
    return value
  },
}
export const text: Setting<string | undefined> = { fallback: undefined, parse: (value) => value }
export const oneOf = <const T extends string>(values: readonly T[], fallback: T | undefined): Setting<T | undefined> => ({
  fallback,
  parse: (value, name) => {
    const found = values.find((known) => known === value.toLowerCase())
    if (found === undefined) throw new SettingsError(`${name} must be one of ${values.join(', ')}, not ${JSON.stringify(value)}`)
    return found
  },
})
export const list: Setting<readonly string[]> = {
  fallback: [],
  parse: (value) =>
    value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
}
export const ranges: Setting<readonly AddressRange[]> = {
  fallback: [],
  parse: (value, name) =>
    list.parse(value, name).map((item) => {
      const range = parseRange(item)
      if (range !== undefined) return range
      throw new SettingsError(
        `${name} must list addresses and ranges, such as 10.0.0.0/8,fd00::/8,127.0.0.1, not ${JSON.stringify(item)}`,
      )
    }),
}
export const workers: Setting<number | 'auto'> = {
  fallback: 1,
  parse: (value, name) => {
    if (value.toLowerCase() === 'auto') return 'auto'
    const count = /^\d{1,3}$/.test(value) ? Number(value) : 0
    if (count >= 1 && count <= 256) return count
    throw new SettingsError(`${name} must be an integer from 1 to 256 or auto (one a core), not ${JSON.stringify(value)}`)
  },
}
export const key: Setting<Buffer | undefined> = {
  fallback: undefined,
  parse: (value, name) => {
    try {
      return parseKey(value, name)
    } catch (error) {
      throw new SettingsError(`${(error as Error).message} (openssl rand -base64 32)`)
    }
  },
}

export const keys: Setting<readonly Buffer[]> = {
  fallback: [],
  parse: (value, name) => list.parse(value, name).map((one) => key.parse(one, name)!),
}

export const orNone = <T>({ parse }: Setting<T>): Setting<T | undefined> => ({ fallback: undefined, parse })
