/** Every route there is. */
import type { Route } from '../route.ts'
import { configRoutes } from './config.ts'
import { droppedCatalogRoutes } from './dropped-catalogs.ts'
import { droppedRoutes } from './dropped.ts'
import { healthRoutes } from './health.ts'
import { logRoutes } from './log.ts'
import { managementRoutes } from './management.ts'
import { namespaceRoutes } from './namespaces.ts'
import { oauthRoutes } from './oauth.ts'
import { protectionRoutes } from './protection.ts'
import { signingRoutes } from './signing.ts'
import { tableRoutes } from './tables.ts'
import { tokenRoutes } from './tokens.ts'
import { undoRoutes } from './undo.ts'
import { userRoutes } from './users.ts'
import { viewRoutes } from './views.ts'

export const routes: readonly Route[] = [
  ...configRoutes,
  ...oauthRoutes,
  ...namespaceRoutes,
  ...tableRoutes,
  ...signingRoutes,
  ...viewRoutes,
  ...userRoutes,
  ...managementRoutes,
  ...logRoutes,
  ...droppedRoutes,
  ...undoRoutes,
  ...droppedCatalogRoutes,
  ...protectionRoutes,
  ...tokenRoutes,
  ...healthRoutes,
]

/** What the configuration lists: the routes below a prefix that work, exactly. */
export const endpoints: readonly string[] = routes
  .filter((route) => route.iceberg === true)
  .map((route) => `${route.method} ${route.template}`)
