/**
 * What every use case of this room gets: the context (what the server was built with, one per process) and the call (who
 * asks, in which catalog). A use case is an exported function `operationId(context, call, ...parameters)`, named as the
 * specification names the operation. Requests arrive parsed by `iceberg/json.ts` and decoded by `shapes.ts`. The route has
 * asked whether the principal may do such a thing at all; the use case asks whether with this object (`authorize.ts`).
 */
import type { KeyObject } from 'node:crypto'
import type { ChangeCall, ChangeContext } from '../changes/context.ts'
import type { Sequencer } from '../history/sequencer.ts'
import type { Location } from '../iceberg/location.ts'
import type { TableLimits } from '../iceberg/table-limits.ts'
import type { ObjectStore } from '../storage/storage.ts'
import type { Version } from '../stores/store.ts'
import type { RequestSigner } from '../storage/vending/vending.ts'
import type { CatalogVending, CredentialCache } from './delegation/credentials.ts'
import type { FormatThreads } from './commits/format-threads.ts'
import type { LandedRows } from './commits/landed.ts'
import type { MetadataCache } from './documents/metadata-cache.ts'
import type { MetricsQuota } from './metrics/metrics-quota.ts'

/** The levels of a namespace, outermost first; never empty, except where a root is asked for. */
export type Namespace = readonly string[]

/** `<name>` where that is free, `<name>-<8 digits of the UUID>`, `<name>-<UUID>`. */
export type TableLayout = 'plain' | 'suffix' | 'uuid'

export interface TableIdentifier {
  readonly namespace: Namespace
  readonly name: string
}

/** A catalog as the URL named it, resolved: `lake` is branch `main`. */
export interface CatalogHandle {
  readonly tenantId: string
  readonly id: string
  readonly name: string
  readonly branch: string
  /** The position of its log at which it is read: then it takes no changes. Undefined: as it is now. */
  readonly at?: number | undefined
  /** Of the catalog's row: what is created requires it, so that nothing lands where the catalog lay before it was moved. */
  readonly version: Version | 'any'
  readonly warehouseName: string
  /** Below it lie the tables whose location the server chooses. */
  readonly root: Location
  /** Where else in the warehouse a client may place tables; `root` needs no mention. */
  readonly allowedRoots: readonly Location[]
  readonly storage: ObjectStore
  /** What clients get as `config` of a table: the warehouse's own static, non-secret settings. */
  readonly clientConfig: Readonly<Record<string, string>>
  /** How clients come to credentials for tables; undefined where they bring their own. */
  readonly vending: CatalogVending | undefined
  /** Signs requests of clients instead, where the warehouse says so. */
  readonly signer: RequestSigner | undefined
  /** How places are made up for new tables and views. */
  readonly tableLayout: TableLayout
  /** How long the files of a table stay that is dropped with purge, and it can come back. */
  readonly purgeDelayMs: number
  /** Changes whenever `clientConfig` or `root` does: part of ETags and cache keys. */
  readonly configVersion: string
  readonly properties: Readonly<Record<string, string>>
}

export interface CatalogContext extends ChangeContext {
  readonly sequencer: Sequencer
  readonly cache: MetadataCache
  readonly credentials: CredentialCache
  /** Does what takes long. */
  readonly threads: FormatThreads
  /** Of tables. */
  readonly limits: TableLimits
  readonly landed: LandedRows
  readonly metricsQuota: MetricsQuota
  /** How long what is dropped can come back; 0 for not at all. */
  readonly droppedKeptMs: number
  /** Authenticates page tokens: 32 bytes, the same on every node and after a restart. */
  readonly pageTokenKey: KeyObject
  /** UUID version 4. */
  readonly uuid: () => string
  /** Resolves when a task has ended, after `ms` at the latest, or at once where this process runs none. Never rejects. */
  readonly taskEnded: (id: string, ms: number) => Promise<void>
}

export interface CatalogCall extends ChangeCall {
  readonly catalog: CatalogHandle
  /** The client writes files, and makes no folder for them on a local disk: those of a staged table must be there before. */
  readonly makesNoFolders?: boolean | undefined
  /** The client wants credentials for the table's files (`vended-credentials` in the header of access delegation). */
  readonly asksForCredentials?: boolean
  /** The client can have its requests signed (`remote-signing` there). */
  readonly asksForSigning?: boolean
}

/** An answer with a metadata document: bytes, ready for the socket. `body` is absent for 304. */
export interface MetadataAnswer {
  readonly status: 200 | 304
  readonly etag: string | undefined
  readonly body: Uint8Array | undefined
  /** The rest of the body, with credentials in it: for this caller alone. Then `documentEtag` names `body` without it. */
  readonly tail?: Uint8Array | undefined
  /** Both in one piece, where they are small. */
  readonly joined?: Uint8Array | undefined
  readonly documentEtag?: string | undefined
}

/** `pageToken` absent: everything at once. Empty: the first page. */
export interface PageRequest {
  readonly pageToken?: string | undefined
  readonly pageSize?: number | undefined
}
