/**
 * From a warehouse's row to its object store: which kind of storage it is, whether its settings can be used, which of them
 * are secret, what clients are told. Settings keep the spelling that the user sent; kinds see declared names only.
 */
import { badRequest } from '../iceberg/errors.ts'
import { canonicalLocation, liesWithin, type Location } from '../iceberg/location.ts'
import { adlsKind } from './adls.ts'
import { fileKind } from './file.ts'
import { gcsKind } from './gcs.ts'
import type { Credential, ServerOptions, Settings, StorageKind, VendingStrategyDeclaration } from './kind.ts'
import { s3Kind } from './s3.ts'
import { nearest } from '../nearest.ts'
import type { ProbeTarget } from './probe/probe.ts'
import type { ObjectStore } from './storage.ts'
import { handsOutAlways } from './vending/strategies.ts'
import type { RequestSigner, Vending } from './vending/vending.ts'

const OPENS_ALL = 'everybody who may read one table of this warehouse gets keys that open all of it, and that do not expire'

const GETS_NOTHING =
  'vending_strategy None: clients get no credentials for this storage, and fail at their first file unless they have keys of their own'

const KINDS: readonly StorageKind[] = [fileKind, s3Kind, adlsKind, gcsKind]

/** `{"AwsStatic": {...}}`, `"None"`, or nothing. */
export type VendingStrategy = string | { readonly [variant: string]: Settings } | null

/** What a user says of a warehouse, whole or with its secrets taken out. */
export interface WarehouseSettings {
  readonly storageConfig: Settings
  readonly vendingStrategy?: VendingStrategy | undefined
}

/** The secret part of a warehouse's settings: what `access/secrets.ts` seals. */
export interface WarehouseSecrets {
  readonly storageConfig?: Settings
  readonly vendingStrategy?: Settings
}

interface Parsed {
  readonly kind: StorageKind
  /** By declared name. */
  readonly settings: Settings
  /** Declared names by the spelling that was used. */
  readonly names: ReadonlyMap<string, string>
}

const knows = (keys: StorageKind['keys'], key: string): boolean =>
  Object.entries(keys).some(([name, { aliases }]) => name === key || aliases.includes(key))

function kindOf(config: Settings): StorageKind {
  const type = config['type']
  if (type !== undefined) {
    const kind = KINDS.find(({ types }) => types.includes(type.toLowerCase()))
    if (kind) return kind
    const types = KINDS.flatMap((each) => each.types)
    throw badRequest(`Unknown storage type "${type}"${nearest(type, types)}: expected one of ${types.join(', ')}`)
  }
  // Without a type, the keys tell: those of one kind that has what it requires, best of one that knows them all.
  const candidates = KINDS.filter((kind) => requires(kind, config))
  const knowsAll = ({ keys }: StorageKind): boolean => Object.keys(config).every((key) => knows(keys, key))
  const kind = candidates.find(knowsAll) ?? candidates[0]
  if (kind) return kind
  const types = KINDS.map(({ name }) => name).join(', ')
  // A misspelt key of a kind says more than that there is no type.
  const [key] = Object.keys(config).filter((one) => !KINDS.some(({ keys }) => knows(keys, one)))
  const known = KINDS.flatMap(({ keys }) => Object.entries(keys).flatMap(([name, { aliases }]) => [name, ...aliases]))
  if (key !== undefined && nearest(key, known) !== '')
    throw badRequest(`Unknown key "${key}" in storage_config${nearest(key, known)}`)
  throw badRequest(`storage_config must have a type, one of ${types}, or the keys that one of them requires`)
}

function parse(config: Settings): Parsed {
  const kind = kindOf(config)
  const declared = new Map(
    Object.entries(kind.keys).flatMap(([name, { aliases }]) => [name, ...aliases].map((key) => [key, name])),
  )
  const names = new Map<string, string>()
  const settings = new Map<string, string>()
  for (const [key, value] of Object.entries(config)) {
    if (key === 'type') continue
    const name = declared.get(key)
    if (name === undefined) {
      throw badRequest(`Unknown key "${key}" in storage_config of type ${kind.name}${nearest(key, [...declared.keys()])}`)
    }
    if (typeof value !== 'string') throw badRequest(`${key} in storage_config must be a string`)
    // A form that was left empty sends empty text.
    if (value === '') continue
    const text = kind.keys[name]?.multiline === true ? value.replace(/[\r\n\t]/g, '') : value
    if (/[\p{Cc}]/u.test(text) || text.length > 4096)
      throw badRequest(`${key} in storage_config has characters that are not allowed, or too many`)
    const twin = settings.get(name)
    if (twin !== undefined && twin !== value) throw badRequest(`storage_config has two values for ${name}`)
    names.set(key, name)
    settings.set(name, value)
  }
  for (const [name, { aliases, required }] of Object.entries(kind.keys)) {
    if (required && !settings.has(name))
      throw badRequest(`storage_config of type ${kind.name} must have ${[name, ...aliases].join(' or ')}`)
  }
  return { kind, settings: Object.fromEntries(settings), names }
}

interface Strategy {
  readonly variant: string
  readonly declared: VendingStrategyDeclaration
  readonly fields: Settings
}

/** The variant and its fields; `undefined` where nothing is vended. */
function strategyOf(kind: StorageKind, strategy: VendingStrategy | undefined): Strategy | undefined {
  if (strategy === undefined || strategy === null || strategy === 'None') return undefined
  const [entry, ...more] = typeof strategy === 'string' ? [[strategy, {}] as const] : Object.entries(strategy)
  if (entry === undefined || more.length > 0) throw badRequest('vending_strategy must be "None" or an object with one variant')
  const [variant, fields] = entry
  if (variant === 'None') return undefined
  const declared = Object.hasOwn(kind.strategies, variant) ? kind.strategies[variant] : undefined
  if (declared === undefined) {
    const variants = ['None', ...Object.keys(kind.strategies)]
    throw badRequest(
      `Unknown vending_strategy "${variant}"${nearest(variant, variants)}: storage of type ${kind.name} has ${variants.join(', ')}`,
    )
  }
  if (fields === null || typeof fields !== 'object') throw badRequest(`vending_strategy ${variant} must be an object`)
  for (const [field, value] of Object.entries(fields)) {
    if (!Object.hasOwn(declared.fields, field))
      throw badRequest(`Unknown field "${field}" of vending_strategy ${variant}${nearest(field, Object.keys(declared.fields))}`)
    if (typeof value !== 'string' && value !== null) throw badRequest(`${field} of vending_strategy ${variant} must be a string`)
  }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== ''))
  return { variant, declared, fields: given }
}

/** The fields of a strategy under the names that the kind declares. */
function strategySettings({ declared, fields }: Strategy): Settings {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [declared.fields[field]?.setting ?? field, value]))
}

/** Keys that stand in the strategy alone are the warehouse's keys all the same. */
function serverSettings(kind: StorageKind, settings: Settings, strategy: Strategy | undefined): Settings {
  const hasOwn = kind.credentials?.some(({ keys }) => keys.some((name) => settings[name] !== undefined)) ?? false
  return !hasOwn && strategy?.declared.isCredential === true ? { ...settings, ...strategySettings(strategy) } : settings
}

/**
 * Checks the whole of what a user says of a warehouse.
 * @throws IcebergError 400 that names the key and, for an unknown one, the nearest known
 */
export function validateWarehouse(warehouse: WarehouseSettings, options: ServerOptions = {}): void {
  const { kind, settings } = validateStorage(warehouse, options)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  strategy?.declared.validate?.(settings, strategySettings(strategy), options)
}

function validateStorage(warehouse: WarehouseSettings, options: ServerOptions): Parsed {
  const parsed = parse(warehouse.storageConfig)
  const { kind, settings } = parsed
  kind.validate?.(serverSettings(kind, settings, strategyOf(kind, warehouse.vendingStrategy)))
  const root = kind.rootLocation(settings)
  if (kind.name !== 'file' || options.localRoots === undefined) return parsed
  const roots = options.localRoots.map((folder) => canonicalLocation(folder, { schemes: ['file'], barePath: true }))
  if (roots.some((folder) => liesWithin(folder, root))) return parsed
  throw badRequest(`Local warehouses must lie below ${roots.join(' or ')}, not at ${root}`)
}

const pick = (settings: Settings, keep: (key: string) => boolean): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([key]) => keep(key)))

/** Takes the secrets out: `open` may be stored and returned in the clear, `secrets` (absent: there are none) must be sealed. */
export function splitSecrets(warehouse: WarehouseSettings): { open: WarehouseSettings; secrets: WarehouseSecrets | undefined } {
  const { kind, names } = parse(warehouse.storageConfig)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  const isSecret = (key: string): boolean => kind.keys[names.get(key) ?? '']?.secret === true
  const isSecretField = (field: string): boolean => strategy?.declared.fields[field]?.secret === true
  const storageConfig = pick(warehouse.storageConfig, isSecret)
  const vendingStrategy = pick(strategy?.fields ?? {}, isSecretField)
  return {
    open: {
      storageConfig: pick(warehouse.storageConfig, (key) => !isSecret(key)),
      vendingStrategy: strategy
        ? { [strategy.variant]: pick(strategy.fields, (field) => !isSecretField(field)) }
        : warehouse.vendingStrategy,
    },
    secrets:
      Object.keys(storageConfig).length + Object.keys(vendingStrategy).length === 0
        ? undefined
        : {
            ...(Object.keys(storageConfig).length > 0 && { storageConfig }),
            ...(Object.keys(vendingStrategy).length > 0 && { vendingStrategy }),
          },
  }
}

/** Puts the secrets back. */
export function joinSecrets(open: WarehouseSettings, secrets: WarehouseSecrets | undefined): WarehouseSettings {
  const [variant, fields] =
    open.vendingStrategy !== null && typeof open.vendingStrategy === 'object'
      ? (Object.entries(open.vendingStrategy)[0] ?? [])
      : []
  return {
    storageConfig: { ...open.storageConfig, ...secrets?.storageConfig },
    vendingStrategy: variant === undefined ? open.vendingStrategy : { [variant]: { ...fields, ...secrets?.vendingStrategy } },
  }
}

/** What a user says of a warehouse that there is. A setting that is `null` is one to forget. */
export interface WarehouseChange {
  readonly storageConfig?: Readonly<Record<string, string | null>> | undefined
  readonly vendingStrategy?: VendingStrategyChange | undefined
}

/** As a `VendingStrategy`, with `null` for fields to forget. */
export type VendingStrategyChange = string | { readonly [variant: string]: Readonly<Record<string, string | null>> } | null

/**
 * The settings after a change: what is given replaces, `null` removes, the rest stays. Of secrets only those stay that belong
 * to the same id and go to the same endpoint: a secret can't be read, so a change must not have it sent elsewhere.
 */
export function changedSettings(old: WarehouseSettings, change: WarehouseChange): WarehouseSettings {
  const { storageConfig: config, vendingStrategy: strategy } = change
  const storageConfig = config === undefined ? old.storageConfig : changedConfig(old.storageConfig, config)
  const known = sendsSecretsElsewhere(old.storageConfig, storageConfig) ? splitSecrets(old).open : old
  return {
    storageConfig,
    vendingStrategy: strategy === undefined ? known.vendingStrategy : changedStrategy(known, strategy),
  }
}

/** The settings that a change gave another value, took away or added; names and no values. */
export function changedNames(old: WarehouseSettings, next: WarehouseSettings): string[] {
  const flat = ({ storageConfig, vendingStrategy }: WarehouseSettings): ReadonlyMap<string, string> => {
    const strategy = strategyOf(parse(storageConfig).kind, vendingStrategy)
    const fields = Object.entries(strategy?.fields ?? {}).map(([field, value]) => [`vending_strategy.${field}`, value] as const)
    const { names } = parse(storageConfig)
    const settings = Object.entries(storageConfig).map(
      ([key, value]) => [`storage_config.${names.get(key) ?? key}`, value] as const,
    )
    return new Map([...settings, ...fields, ['vending_strategy', strategy?.variant ?? 'None']])
  }
  const [before, after] = [flat(old), flat(next)]
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name))
}

function sendsSecretsElsewhere(old: Settings, next: Settings): boolean {
  const { kind, settings: before } = parse(old)
  if (kindOf(next) !== kind) return true
  const { settings: after } = parse(next)
  return (kind.credentials ?? []).some(({ boundTo = [] }) => boundTo.some((name) => before[name] !== after[name]))
}

const requires = ({ keys }: StorageKind, config: Settings): boolean =>
  Object.entries(keys).some(
    ([name, { aliases, required }]) => required && [name, ...aliases].some((key) => Object.hasOwn(config, key)),
  )

/** Without a type, it is a change of what there is, unless it has what another kind requires. */
function staysOfKind(kind: StorageKind, given: Settings): boolean {
  if (given['type'] !== undefined) return kindOf(given) === kind
  return Object.keys(given).every((key) => knows(kind.keys, key)) || !KINDS.some((other) => requires(other, given))
}

function changedConfig(old: Settings, sent: Readonly<Record<string, string | null>>): Settings {
  // A form that was left empty sends empty text.
  const given = Object.fromEntries(Object.entries(sent).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''))
  const before = parse(old)
  const { kind } = before
  if (!staysOfKind(kind, given)) return given
  const nameOf = (key: string): string =>
    Object.entries(kind.keys).find(([name, { aliases }]) => name === key || aliases.includes(key))?.[0] ?? key
  const replaced = new Map(Object.entries(given).map(([key, value]) => [nameOf(key), value]))
  const forgotten = new Set(
    Object.keys(sent)
      .filter((key) => sent[key] === null)
      .map(nameOf),
  )
  const isChanged = (name: string): boolean =>
    forgotten.has(name) || (replaced.has(name) && replaced.get(name) !== before.settings[name])
  const isAnother = ({ keys, boundTo = [] }: Credential): boolean => [...keys.slice(0, 2), ...boundTo].some(isChanged)
  const gone = (kind.credentials ?? []).filter(isAnother).flatMap(({ keys }) => keys)
  const stays = (key: string): boolean => {
    const name = nameOf(key)
    return !replaced.has(name) && !forgotten.has(name) && !gone.includes(name)
  }
  return { ...pick(old, stays), ...given }
}

/** Within one variant as above; another one replaces it. */
function changedStrategy(old: WarehouseSettings, sent: VendingStrategyChange): VendingStrategy {
  if (sent === null || typeof sent !== 'object') return sent
  const before = strategyOf(parse(old.storageConfig).kind, old.vendingStrategy)
  const [variant, fields] = Object.entries(sent)[0] ?? []
  const given = (values: Readonly<Record<string, string | null>>): Settings =>
    Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null))
  if (variant === undefined || Object.keys(sent).length > 1 || fields === null || typeof fields !== 'object')
    return sent as VendingStrategy
  if (before?.variant !== variant) return { [variant]: given(fields) }
  const isSecret = (field: string): boolean => before.declared.fields[field]?.secret === true
  const isAnother = Object.entries(fields).some(
    ([field, value]) =>
      before.declared.isCredential === true && before.fields[field] !== undefined && before.fields[field] !== value,
  )
  const stays = (field: string): boolean => !Object.hasOwn(fields, field) && !(isAnother && isSecret(field))
  return { [variant]: { ...pick(before.fields, stays), ...given(fields) } }
}

/** The location at which the warehouse begins: everything it serves lies below. */
export function rootLocation(warehouse: WarehouseSettings): Location {
  const { kind, settings } = parse(warehouse.storageConfig)
  return kind.rootLocation(settings)
}

/** The settings that clients of the warehouse's tables need to find it; no secret is among them. */
export function clientConfig(warehouse: WarehouseSettings): Settings {
  const { kind, settings } = parse(warehouse.storageConfig)
  return kind.clientConfig(settings)
}

/** Nothing where clients have credentials of their own. `warehouse`: with the secrets in it. */
export function openVending(warehouse: WarehouseSettings, options: ServerOptions = {}): Vending | undefined {
  const { kind, settings } = parse(warehouse.storageConfig)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  if (strategy === undefined) return undefined
  const fields = strategySettings(strategy)
  const vendor = strategy.declared.vendor?.(settings, fields, options)
  if (vendor === undefined) return undefined
  return { vendor, always: strategy.declared.isStatic === true && handsOutAlways(fields), refreshKeys: kind.refreshKeys }
}

/** What may be tried where a user says nothing of credentials for clients: nothing where no such thing can be guessed. */
export function defaultStrategy(warehouse: WarehouseSettings): VendingStrategy | undefined {
  if (warehouse.vendingStrategy !== undefined) return undefined
  const { kind, settings } = parse(warehouse.storageConfig)
  return kind.defaultStrategy?.(settings)
}

/** What signs requests of clients, where the warehouse says so. `warehouse`: with the secrets in it. */
export function openSigner(warehouse: WarehouseSettings): RequestSigner | undefined {
  const { kind, settings } = parse(warehouse.storageConfig)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  return strategy?.declared.signer?.(serverSettings(kind, settings, strategy), strategySettings(strategy))
}

/** What a person who manages the warehouse should know, though it is allowed. */
export function warehouseWarnings(warehouse: WarehouseSettings): string[] {
  const { kind } = parse(warehouse.storageConfig)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  if (strategy === undefined) return kind.name === 'file' ? [] : [GETS_NOTHING]
  const { variant, declared } = strategy
  const warnings = [declared.isStatic === true ? OPENS_ALL : undefined, declared.warning?.(strategySettings(strategy))]
  return warnings.filter((text) => text !== undefined).map((text) => `vending_strategy ${variant}: ${text}`)
}

/**
 * Opens the object store of a warehouse (its settings with the secrets in them). Connects on first use.
 * @throws IcebergError 400 for settings that can't be used
 */
export function openObjectStore(warehouse: WarehouseSettings, options: ServerOptions = {}): ObjectStore {
  const { kind, settings } = validateStorage(warehouse, options)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  return kind.open(serverSettings(kind, settings, strategy))
}

/** The warehouse as a client sees it that has only what was vended to it (its `config`). */
export function openVendedStore(warehouse: WarehouseSettings, config: Settings): ObjectStore | undefined {
  const { kind, settings } = parse(warehouse.storageConfig)
  return kind.openVended?.(settings, config)
}

/** What the test of a warehouse needs. @throws IcebergError 400 for settings that can't be used */
export function openProbeTarget(warehouse: WarehouseSettings, options: ServerOptions = {}): ProbeTarget {
  validateWarehouse(warehouse, options)
  const { kind, settings } = parse(warehouse.storageConfig)
  const strategy = strategyOf(kind, warehouse.vendingStrategy)
  const fields = strategy === undefined ? {} : strategySettings(strategy)
  const server = serverSettings(kind, settings, strategy)
  const { isStatic = false, isUnbounded } = strategy?.declared ?? {}
  const unbounded = isStatic || isUnbounded?.(fields) === true
  const signer = openSigner(warehouse)
  return {
    root: kind.rootLocation(settings),
    store: kind.open(server),
    vending: openVending(warehouse, options),
    signed: signer &&
      kind.openSigned && { store: kind.openSigned(server, signer), unsigned: kind.openSigned(server, 'nobody'), signer },
    openClient: (config) => openVendedStore(warehouse, config),
    unbounded: unbounded ? { message: warehouseWarnings(warehouse).join('; '), alsoWrites: isStatic } : undefined,
    advise: (fault) => kind.advise(fault, server, { variant: strategy?.variant, settings: fields }),
  }
}
