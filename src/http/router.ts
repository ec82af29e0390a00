/**
 * Finds the route of a path. Paths are split before anything is decoded, so an encoded slash stays inside its segment and
 * an encoded literal is no literal. A trie of segments: literals first, then the one parameter a place can have.
 */
import { IcebergError } from '../iceberg/errors.ts'
import type { TableIdentifier } from '../iceberg/identifier.ts'
import type { Route } from './route.ts'

interface Node {
  readonly literals: Map<string, Node>
  parameter: Node | undefined
  /** By method. Undefined where no path ends. */
  methods: Map<string, Route> | undefined
  allow: string
  /** A literal that may be the name of something as well: counts as a parameter too. */
  isName: boolean
}

/** What a path says beside its route. The same object for the same path, as long as it is remembered. */
export interface Address {
  /** Decoded; undefined where the route has no catalog. */
  readonly catalogName: string | undefined
  /** Reached the doubled form `/v1/{catalog}/v1/...`, whose clients put the prefix into their URI. */
  readonly doubled: boolean
  /** Raw segments, without those that name the catalog. */
  readonly parameters: readonly string[]
  /** Decoded when they are first asked for. */
  namespace?: readonly string[]
  identifier?: TableIdentifier
}

export interface Match {
  readonly route: Route
  /** The raw segments that stand for parameters, in order. */
  readonly parameters: readonly string[]
  /** Set when a caller that may ask for it first does. */
  address?: Address
}

export interface Router {
  /** `path` begins with a slash and has no query. @throws IcebergError 404, or 405 with the methods allowed */
  match(method: string, path: string): Match
  /** The methods of the path, as an Allow header has them; undefined when there is no such path. */
  allowed(path: string): string | undefined
}

const newNode = (): Node => ({ literals: new Map(), parameter: undefined, methods: undefined, allow: '', isName: false })

/** The templates under which a route is served: clients append `/v1/...` to a URI that may already name the catalog. */
export function mountings(template: string): readonly string[] {
  const behindPrefix = template.startsWith('/v1/{prefix}/') ? template.slice('/v1/{prefix}'.length) : undefined
  if (behindPrefix !== undefined) return [template, `/v1/{catalog}/v1${behindPrefix}`, `/v1/{catalog}/v1/{prefix}${behindPrefix}`]
  if (template === '/v1/config' || template === '/v1/oauth/tokens') {
    const rest = template.slice('/v1'.length)
    return [template, `/v1/{catalog}${rest}`, `/v1/{catalog}/v1${rest}`]
  }
  return [template]
}

const MAX_REMEMBERED = 4096
const MAX_REMEMBERED_LENGTH = 512

/** Most paths are asked for again: what was made of them is kept, the oldest out first. */
function remembering(find: (method: string, path: string) => Match): (method: string, path: string) => Match {
  const byMethod = new Map<string, Map<string, Match>>()
  return (method, path) => {
    let known = byMethod.get(method)
    const match = known?.get(path)
    if (match !== undefined) return match
    const found = find(method, path)
    if (path.length > MAX_REMEMBERED_LENGTH) return found
    // Only methods that some route has come this far.
    if (known === undefined) byMethod.set(method, (known = new Map()))
    if (known.size >= MAX_REMEMBERED) known.delete(known.keys().next().value!)
    known.set(path, found)
    return found
  }
}

export function createRouter(routes: readonly Route[]): Router {
  const root = newNode()
  for (const route of routes) {
    for (const template of mountings(route.template)) insert(root, template, route)
  }
  for (const node of everyNode(root)) nameToo(node)
  for (const node of everyNode(root)) node.allow = allowHeader(node)
  return {
    match: remembering((method, path) => {
      const parameters: string[] = []
      const node = find(root, path, parameters)
      if (node?.methods === undefined) throw new IcebergError('NotFoundException', `There is nothing at ${shorten(path)}`)
      const route = node.methods.get(method) ?? (method === 'HEAD' ? node.methods.get('GET') : undefined)
      if (route !== undefined) return { route, parameters }
      const message = `${method} is not possible at ${shorten(path)}, only ${node.allow}`
      throw new IcebergError('MethodNotAllowedException', message, { details: { allow: node.allow } })
    }),
    allowed: (path) => {
      const node = find(root, path, [])
      return node?.methods === undefined ? undefined : node.allow
    },
  }
}

function insert(root: Node, template: string, route: Route): void {
  let node = root
  for (const segment of template.slice(1).split('/')) {
    const isParameter = segment.startsWith('{')
    let next = isParameter ? node.parameter : node.literals.get(segment)
    if (next === undefined) {
      next = newNode()
      if (isParameter) node.parameter = next
      else node.literals.set(segment, next)
    }
    node = next
  }
  node.methods ??= new Map()
  if (node.methods.has(route.method)) throw new TypeError(`two routes for ${route.method} ${template}`)
  node.methods.set(route.method, route)
  if (route.maybeName === true) node.isName = true
}

/**
 * Gives the literals that may be names what the parameter beside them has and they have not. Not done for every literal: a path
 * that can be read in two ways would then be read by its method, and `DELETE /v1/a/v1/namespaces/namespaces/tables`, which lists
 * tables with GET, would drop a namespace.
 */
function nameToo({ literals, parameter }: Node): void {
  for (const literal of literals.values()) {
    if (!literal.isName || parameter === undefined) continue
    literal.methods = new Map([...(parameter.methods ?? []), ...(literal.methods ?? [])])
    for (const [segment, node] of parameter.literals) {
      if (!literal.literals.has(segment)) literal.literals.set(segment, node)
    }
    literal.parameter ??= parameter.parameter
  }
}

/** Literals first; where they lead nowhere the segment may be a name all the same, such as that of a catalog called `aws`. */
function find(node: Node, path: string, parameters: string[], start = 1): Node | undefined {
  const slash = path.indexOf('/', start)
  const segment = slash < 0 ? path.slice(start) : path.slice(start, slash)
  const behind = (next: Node): Node | undefined => {
    if (slash >= 0) return find(next, path, parameters, slash + 1)
    return next.methods === undefined ? undefined : next
  }
  const literal = node.literals.get(segment)
  const known = parameters.length
  if (literal?.isName === true) parameters.push(segment)
  const found = literal && behind(literal)
  if (found !== undefined || node.parameter === undefined) return found
  if (segment === '' || segment === '.' || segment === '..') return undefined
  parameters[known] = segment
  parameters.length = known + 1
  return behind(node.parameter)
}

function* everyNode(node: Node): Generator<Node> {
  yield node
  for (const child of node.literals.values()) yield* everyNode(child)
  if (node.parameter !== undefined) yield* everyNode(node.parameter)
}

function allowHeader(node: Node): string {
  const methods = [...(node.methods?.keys() ?? [])]
  if (methods.includes('GET') && !methods.includes('HEAD')) methods.push('HEAD')
  return [...methods, 'OPTIONS'].toSorted().join(', ')
}

const shorten = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}...` : path)
