import type { CatalogCall, CatalogContext, Namespace, PageRequest } from './call.ts'
import type {
  CreateNamespaceRequest,
  CreateNamespaceResponse,
  GetNamespaceResponse,
  ListNamespacesResponse,
  UpdateNamespacePropertiesRequest,
  UpdateNamespacePropertiesResponse,
} from './shapes.ts'

export declare function listNamespaces(
  context: CatalogContext, call: CatalogCall, parent: Namespace | undefined, page: PageRequest,
): Promise<ListNamespacesResponse>
export declare function createNamespace(
  context: CatalogContext, call: CatalogCall, request: CreateNamespaceRequest,
): Promise<CreateNamespaceResponse>
export declare function loadNamespaceMetadata(
  context: CatalogContext, call: CatalogCall, namespace: Namespace,
): Promise<GetNamespaceResponse>
/** Resolves when it exists, throws 404 when not. */
export declare function namespaceExists(context: CatalogContext, call: CatalogCall, namespace: Namespace): Promise<void>
export declare function dropNamespace(context: CatalogContext, call: CatalogCall, namespace: Namespace): Promise<void>
export declare function updateProperties(
  context: CatalogContext, call: CatalogCall, namespace: Namespace, request: UpdateNamespacePropertiesRequest,
): Promise<UpdateNamespacePropertiesResponse>
