/** What the use cases of this room get. Storage and sealing come as functions: this room knows neither clouds nor keys. */
import type { SecretBox } from '../access/secrets.ts'
import type { CatalogContext } from '../catalog/call.ts'
import type { Location } from '../iceberg/location.ts'
import type { VendingStrategy, WarehouseChange, WarehouseSecrets, WarehouseSettings } from '../storage/open.ts'
import type { ObjectStore } from '../storage/storage.ts'
import type { RequestSigner, VendScope, Vending } from '../storage/vending/vending.ts'
import type { CatalogHandles } from './handles.ts'

/** Check by check, and what to do about those that failed. */
export interface WarehouseTestAnswer {
  /** None failed. */
  readonly ok: boolean
  readonly checks: readonly {
    readonly name: string
    readonly status: 'passed' | 'failed' | 'skipped'
    readonly message: string
    readonly fix: string | null
  }[]
}

export interface WarehouseStorage {
  /** @throws IcebergError 400 that names what is wrong */
  validate(settings: WarehouseSettings): void
  split(settings: WarehouseSettings): { readonly open: WarehouseSettings; readonly secrets: WarehouseSecrets | undefined }
  /** The settings after a change: what is given replaces, `null` removes, the rest stays. */
  change(old: WarehouseSettings, change: WarehouseChange): WarehouseSettings
  /** Names of the settings in which they differ. */
  changed(old: WarehouseSettings, next: WarehouseSettings): readonly string[]
  /** What may be tried where a user says nothing of credentials for clients. */
  defaultStrategy(settings: WarehouseSettings): VendingStrategy | undefined
  join(open: WarehouseSettings, secrets: WarehouseSecrets | undefined): WarehouseSettings
  rootOf(settings: WarehouseSettings): Location
  clientConfig(settings: WarehouseSettings): Readonly<Record<string, string>>
  open(settings: WarehouseSettings): ObjectStore
  /** What makes credentials for clients; undefined where nothing does. */
  vending(settings: WarehouseSettings): Vending | undefined
  /** What signs requests of clients; undefined where nothing does. */
  signer(settings: WarehouseSettings): RequestSigner | undefined
  /** Uses it as the server and as clients do, below a folder named by the id, and removes that again. @throws IcebergError 400 */
  test(
    settings: WarehouseSettings,
    by: { readonly id: string; readonly principal: VendScope['principal'] },
  ): Promise<WarehouseTestAnswer>
  /** What the warehouse's administrator should know of these settings, secret or not. */
  warnings(settings: WarehouseSettings): readonly string[]
}

export interface ManagementContext {
  readonly catalog: CatalogContext
  readonly storage: WarehouseStorage
  readonly secrets: SecretBox
  readonly handles: CatalogHandles
}
