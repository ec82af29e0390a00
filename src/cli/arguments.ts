/** How the words of `pangolin store …` and `pangolin admin …` are read: one command, its options, one FILE where it takes one. */
import { parseArgs } from 'node:util'

/** The command line is not understood: exit code 2. */
export class UsageError extends Error {}

type Options = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>

/** What a command takes beside the options that all take. */
interface CommandDeclaration<O extends Options> {
  readonly options: readonly (keyof O & string)[]
  readonly file?: boolean
}

export interface CommandLine<O extends Options> {
  readonly name: string
  readonly file: string | undefined
  readonly values: { readonly [N in keyof O]?: O[N]['type'] extends 'string' ? string : boolean }
}

export interface Grammar<O extends Options> {
  /** The word before the command. */
  readonly group: string
  readonly options: O
  /** Options of every command. */
  readonly common: readonly (keyof O & string)[]
  readonly commands: Readonly<Record<string, CommandDeclaration<O>>>
}

/** Undefined where help is asked for. @throws UsageError */
export function parseCommand<const O extends Options>(args: readonly string[], grammar: Grammar<O>): CommandLine<O> | undefined {
  const { group, common, commands } = grammar
  const options = { ...grammar.options, help: { type: 'boolean', short: 'h' } } as const
  let parsed
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  const values = parsed.values as Readonly<Record<string, string | boolean | undefined>>
  if (values['help'] === true) return undefined
  const [name = '', file, ...more] = parsed.positionals
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(name === '' ? 'A command is needed' : `There is no command ${group} ${name}`)
  const foreign = Object.keys(values).find((option) => !common.includes(option) && !command.options.includes(option))
  if (foreign !== undefined) throw new UsageError(`${group} ${name} has no option --${foreign}`)
  const takesFile = command.file === true
  if (more.length > 0 || (file !== undefined) !== takesFile) {
    throw new UsageError(takesFile ? `${group} ${name} needs one FILE` : `${group} ${name} takes no ${JSON.stringify(file)}`)
  }
  return { name, file, values: values as CommandLine<O>['values'] }
}

export interface Terminal {
  readonly out?: (text: string) => void
  readonly err?: (text: string) => void
}

interface Tool<O extends Options> {
  readonly grammar: Grammar<O>
  readonly usage: string
  /** Errors that are told in a line; others are bugs. */
  readonly known: readonly (new (...parameters: never[]) => Error)[]
  /** Resolves to the exit code. */
  readonly run: (command: CommandLine<O>, terminal: Required<Terminal>) => Promise<number>
}

/** A command from its words to its exit code: 0 done, 1 refused or failed, 2 not understood, or what it says itself. */
export async function runTool<const O extends Options>(
  args: readonly string[],
  { out: given, err: givenErr }: Terminal,
  { grammar, usage, known, run }: Tool<O>,
): Promise<number> {
  const out = given ?? ((text) => void process.stdout.write(text))
  const err = givenErr ?? ((text) => void process.stderr.write(text))
  try {
    const command = parseCommand(args, grammar)
    if (command !== undefined) return await run(command, { out, err })
    out(usage)
    return 0
  } catch (error) {
    if (![UsageError, ...known].some((kind) => error instanceof kind)) throw error
    err(`pangolin: ${(error as Error).message}\n${error instanceof UsageError ? `\n${usage}` : ''}`)
    return error instanceof UsageError ? 2 : 1
  }
}
