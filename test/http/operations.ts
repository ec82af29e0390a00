/** What each operation is about, and a request for it: a route that is not named here fails the test of all routes. */
import { viewVersion } from '../requests.ts'

export interface Place {
  readonly catalog: string
  readonly namespace: readonly string[]
  readonly name: string
}

/**
 * `management`: never for who is narrowed. `token`: see test/management/tokens.test.ts. `catalogs`: always, filtered.
 * `whole`: a catalog as a whole, 404 beside it; `log`: the same, 403. `visible`: something in the catalog. `way`: a namespace
 * on the way to or in the bounds. `namespace`, `entry`: within. `file`: by a file's place, see test/http/signing.test.ts.
 */
type About = 'public' | 'management' | 'token' | 'catalogs' | 'whole' | 'log' | 'visible' | 'way' | 'namespace' | 'entry' | 'file'

export interface Operation {
  readonly about: About
  readonly writes?: true
  /** Something that gets the name: what is around it has to be seen. */
  readonly creates?: true
  readonly body?: (place: Place) => object
  readonly query?: (place: Place) => string
}

export const encoded = (levels: readonly string[]): string => levels.map(encodeURIComponent).join('%1F')

export const schema = { type: 'struct', fields: [{ id: 1, name: 'id', required: true, type: 'long' }] }
const identifier = ({ namespace, name }: Place) => ({ namespace, name })
const moved = (place: Place) => ({
  source: identifier(place),
  destination: { ...identifier(place), name: `${place.name}-moved` },
})
const newView = ({ name }: Place) => ({
  name,
  schema: { ...schema, 'schema-id': 0 },
  'view-version': viewVersion('a'),
  properties: {},
})
export const change = (place: Place) => ({
  identifier: identifier(place),
  requirements: [],
  updates: [{ action: 'set-properties', updates: { touched: 'yes' } }],
})
const registered = ({ name }: Place) => ({ name, 'metadata-location': 'file:///etc/passwd' })
/** What some of the credentials below may change: in a transaction it stands beside what they may not. */
export const MINE: Place = { catalog: 'lake', namespace: ['mine'], name: 't' }

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  getConfig: { about: 'visible', query: ({ catalog }) => `?warehouse=${catalog}` },
  getToken: { about: 'public' },
  listNamespaces: { about: 'way', query: ({ namespace }) => `?parent=${encoded(namespace)}` },
  createNamespace: { about: 'namespace', writes: true, creates: true, body: ({ namespace }) => ({ namespace }) },
  loadNamespaceMetadata: { about: 'way' },
  namespaceExists: { about: 'way' },
  dropNamespace: { about: 'namespace', writes: true },
  updateProperties: { about: 'namespace', writes: true, body: () => ({ updates: { a: 'b' } }) },
  listTables: { about: 'way' },
  loadTable: { about: 'entry' },
  tableExists: { about: 'entry' },
  loadCredentials: { about: 'entry' },
  signRequest: { about: 'entry', body: () => ({ region: 'r', uri: 'http://a/b', method: 'GET', headers: {} }) },
  signS3RequestAnywhere: { about: 'file', body: () => ({ region: 'r', uri: 'http://a/b', method: 'GET', headers: {} }) },
  signS3Request: { about: 'file', body: () => ({ region: 'r', uri: 'http://a/b', method: 'GET', headers: {} }) },
  createTable: { about: 'entry', writes: true, creates: true, body: ({ name }) => ({ name, schema }) },
  registerTable: { about: 'entry', writes: true, creates: true, body: registered },
  updateTable: { about: 'entry', writes: true, body: change },
  dropTable: { about: 'entry', writes: true, query: () => '?purgeRequested=true' },
  unregisterTable: { about: 'entry', writes: true, body: () => ({}) },
  reportMetrics: { about: 'entry', body: () => ({ 'report-type': 'scan-report' }) },
  renameTable: { about: 'entry', writes: true, body: moved },
  commitTransaction: {
    about: 'entry',
    writes: true,
    body: (place) => ({ 'table-changes': place === MINE ? [change(place)] : [change(MINE), change(place)] }),
  },
  listViews: { about: 'way' },
  createView: { about: 'entry', writes: true, creates: true, body: newView },
  loadView: { about: 'entry' },
  viewExists: { about: 'entry' },
  replaceView: { about: 'entry', writes: true, body: change },
  dropView: { about: 'entry', writes: true },
  registerView: { about: 'entry', writes: true, creates: true, body: registered },
  renameView: { about: 'entry', writes: true, body: moved },
  login: { about: 'public' },
  listWarehouses: { about: 'management' },
  createWarehouse: { about: 'management', body: () => ({}) },
  loadWarehouse: { about: 'management' },
  updateWarehouse: { about: 'management', body: () => ({}) },
  dropWarehouse: { about: 'management' },
  testNewWarehouse: { about: 'management', body: () => ({}) },
  testWarehouse: { about: 'management' },
  listCatalogs: { about: 'catalogs' },
  createCatalog: { about: 'management', body: () => ({}) },
  loadCatalog: { about: 'whole' },
  updateCatalog: { about: 'management', body: () => ({}) },
  dropCatalog: { about: 'management' },
  catalogSummary: { about: 'whole' },
  listCommits: { about: 'log', query: ({ catalog }) => `?catalog=${catalog}` },
  listCatalogCommits: { about: 'log' },
  listTenantCommits: { about: 'management' },
  loadCatalogProtection: { about: 'whole' },
  protectCatalog: { about: 'management', body: () => ({ protected: false }) },
  loadNamespaceProtection: { about: 'namespace' },
  protectNamespace: { about: 'namespace', writes: true, body: () => ({ protected: false }) },
  loadTableProtection: { about: 'entry' },
  protectTable: { about: 'entry', writes: true, body: () => ({ protected: false }) },
  loadViewProtection: { about: 'entry' },
  protectView: { about: 'entry', writes: true, body: () => ({ protected: false }) },
  listDropped: { about: 'log' },
  listDroppedCatalogs: { about: 'management' },
  loadDroppedCatalog: { about: 'management' },
  undropCatalog: { about: 'management', body: () => ({}) },
  forgetDroppedCatalog: { about: 'management' },
  dropNamespaceTree: { about: 'namespace', writes: true, query: () => '?recursive=true' },
  undrop: { about: 'visible', writes: true, body: () => ({ id: 'none' }) },
  undo: { about: 'visible', writes: true, body: () => ({ change: 'none' }) },
  listMetrics: { about: 'entry' },
  mintToken: { about: 'management', body: () => ({}) },
  changePassword: { about: 'management', body: () => ({}) },
  listTokens: { about: 'token' },
  rotateToken: { about: 'token' },
  deleteToken: { about: 'token' },
  revokeCurrentToken: { about: 'token' },
  revokeToken: { about: 'token' },
  health: { about: 'public' },
  ready: { about: 'public' },
  live: { about: 'public' },
  appConfig: { about: 'public' },
}
