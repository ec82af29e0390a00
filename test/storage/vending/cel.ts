/**
 * Evaluates the part of Google's expression language that access boundaries use here, written from its grammar and not from
 * our serialiser: disjunctions of `startsWith` on `resource.name` and on attributes of the request.
 */
export interface CelContext {
  readonly resourceName: string
  readonly attributes: Readonly<Record<string, string>>
}

type Token = { readonly kind: 'text' | 'name' | 'sign'; readonly value: string }

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
}

/** A string literal that begins at `at` with one quote. */
function readText(source: string, at: number): { value: string; end: number } {
  const quote = source[at]
  if (source.startsWith(`${quote}${quote}${quote}`, at)) throw new SyntaxError('literals of several lines are not expected')
  let value = ''
  for (let i = at + 1; i < source.length; i += 1) {
    const character = source[i] ?? ''
    if (character === quote) return { value, end: i + 1 }
    if (character === '\n' || character === '\r') break
    if (character !== '\\') {
      value += character
      continue
    }
    i += 1
    const escape = source[i] ?? ''
    const digits = { u: 4, U: 8, x: 2, X: 2 }[escape]
    if (digits === undefined) {
      const simple = ESCAPES[escape]
      if (simple === undefined) throw new SyntaxError(`unknown escape \\${escape}`)
      value += simple
      continue
    }
    const hex = source.slice(i + 1, i + 1 + digits)
    if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== digits) throw new SyntaxError('broken escape')
    value += String.fromCodePoint(Number.parseInt(hex, 16))
    i += digits
  }
  throw new SyntaxError('a literal without its end')
}

function tokens(source: string): Token[] {
  const found: Token[] = []
  for (let at = 0; at < source.length;) {
    const rest = source.slice(at)
    const space = /^[ \t\n]+/.exec(rest)?.[0]
    const name = /^[A-Za-z_][A-Za-z0-9_]*/.exec(rest)?.[0]
    const sign = /^(\|\||&&|==|!=|[().,!])/.exec(rest)?.[0]
    if (space !== undefined) at += space.length
    else if (rest[0] === "'" || rest[0] === '"') {
      const { value, end } = readText(source, at)
      found.push({ kind: 'text', value })
      at = end
    } else if (name !== undefined) {
      found.push({ kind: 'name', value: name })
      at += name.length
    } else if (sign !== undefined) {
      found.push({ kind: 'sign', value: sign })
      at += sign.length
    } else throw new SyntaxError(`unexpected ${JSON.stringify(rest[0])}`)
  }
  return found
}

/** @throws SyntaxError for whatever is not in the part of the language that is expected */
export function evaluateCel(expression: string, context: CelContext): boolean {
  const queue = tokens(expression)
  const take = (kind: Token['kind'], value?: string): string => {
    const token = queue.shift()
    if (token?.kind !== kind || (value !== undefined && token.value !== value))
      throw new SyntaxError(`expected ${value ?? kind}, found ${token?.value ?? 'the end'}`)
    return token.value
  }
  const takeAll = (...signs: string[]): void => signs.forEach((value) => take(/^\w/.test(value) ? 'name' : 'sign', value))
  const operand = (): string => {
    if (queue[0]?.value === 'resource') {
      takeAll('resource', '.', 'name')
      return context.resourceName
    }
    takeAll('api', '.', 'getAttribute', '(')
    const attribute = take('text')
    take('sign', ',')
    const fallback = take('text')
    take('sign', ')')
    return context.attributes[attribute] ?? fallback
  }
  let result = false
  for (;;) {
    const text = operand()
    takeAll('.', 'startsWith', '(')
    const start = take('text')
    take('sign', ')')
    result = text.startsWith(start) || result
    if (queue.length === 0) return result
    take('sign', '||')
  }
}
