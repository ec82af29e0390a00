/**
 * What AWS documents of evaluating a policy, written from that documentation and from nothing of ours: statements, actions,
 * resources with wildcards, policy variables and their escapes, `StringLike`. Deny is what nothing allows.
 */
export interface Request {
  readonly action: string
  readonly resource: string
  /** Keys of conditions, and what policy variables stand for. */
  readonly context?: Readonly<Record<string, string>>
}

type Token = { readonly text: string } | 'any' | 'one'

/** `${*}`, `${?}` and `${$}` are those characters; another variable is what the request says of it, or matches nothing. */
function tokens(pattern: string, context: Readonly<Record<string, string>>): Token[] | undefined {
  const found: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at]!
    const end = pattern.startsWith('${', at) ? pattern.indexOf('}', at) : -1
    if (end > 0) {
      const name = pattern.slice(at + 2, end)
      const value = ['*', '?', '$'].includes(name) ? name : context[name]
      if (value === undefined) return undefined
      found.push({ text: value })
      at = end
    } else found.push(character === '*' ? 'any' : character === '?' ? 'one' : { text: character })
  }
  return found
}

function matches(pattern: string, text: string, context: Readonly<Record<string, string>>): boolean {
  const list = tokens(pattern, context)
  if (list === undefined) return false
  // All positions of the text that the tokens so far can end at.
  let ends = new Set([0])
  for (const token of list) {
    const next = new Set<number>()
    for (const end of ends) {
      if (token === 'any') for (let to = end; to <= text.length; to++) next.add(to)
      else if (token === 'one') next.add(end + 1)
      else if (text.startsWith(token.text, end)) next.add(end + token.text.length)
    }
    ends = next
  }
  return ends.has(text.length)
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value : [value]) as string[]

export function allows(policyText: string, { action, resource, context = {} }: Request): boolean {
  const policy = JSON.parse(policyText) as { Version: string; Statement: Record<string, unknown>[] }
  if (policy.Version !== '2012-10-17') throw new Error('variables need this version')
  return policy.Statement.some((statement) => {
    const { Effect, Action, Resource, Condition = {}, ...more } = statement
    if (Effect !== 'Allow' || Object.keys(more).length > 0) throw new Error(`not understood: ${Object.keys(statement).join()}`)
    const conditions = Object.entries(Condition as Record<string, Record<string, unknown>>)
    if (conditions.some(([operator]) => operator !== 'StringLike')) throw new Error('condition not understood')
    return (
      list(Action).some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase(), {})) &&
      list(Resource).some((pattern) => matches(pattern, resource, context)) &&
      conditions.every(([, keys]) =>
        Object.entries(keys).every(([key, patterns]) => {
          const value = context[key]
          return value !== undefined && list(patterns).some((pattern) => matches(pattern, value, context))
        }),
      )
    )
  })
}
