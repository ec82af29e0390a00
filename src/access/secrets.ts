/**
 * Secrets at rest: envelope encryption with AES-256-GCM. Each sealed value has a data key of its own, wrapped by the server's
 * key, and is bound to its owner (`aad`), so that a value copied into another row does not open. The id of the wrapping key
 * stands in front: after a rotation old values open with `previousKeys` until they are sealed anew.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { closeSync, fchmodSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'

const FORMAT = 'pgs1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

export type SecretJson = null | boolean | number | string | readonly SecretJson[] | { readonly [key: string]: SecretJson }

export interface SecretBox {
  /** Names the key that seals, and tells nothing of it. */
  readonly keyId: string
  /** Whether what is sealed with the key of this id can be opened: with the current key, or a previous one. */
  opens(id: string): boolean
  /** `aad` names the owner, such as `warehouse/<tenant id>/<warehouse id>`; it is needed to open, and not secret. */
  seal(value: SecretJson, aad: string): string
  /** @throws SecretError when the text was not sealed here for this owner, or was changed */
  open(sealed: string, aad: string): SecretJson
  /** Sealed with a previous key: seal it anew when the row is written next. */
  isStale(sealed: string): boolean
}

/** Its message never holds any part of a secret or of a key. */
export class SecretError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SecretError'
  }
}

const keyId = (key: Uint8Array): string => createHash('sha256').update('pangolin key id').update(key).digest('hex').slice(0, 12)

function encrypt(key: Uint8Array, plain: Uint8Array, aad: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(aad))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Uint8Array, box: Buffer, aad: string): Buffer {
  if (box.length < NONCE_BYTES + TAG_BYTES) throw new SecretError('a sealed secret is cut off')
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(aad))
  decipher.setAuthTag(box.subarray(box.length - TAG_BYTES))
  return Buffer.concat([decipher.update(box.subarray(NONCE_BYTES, box.length - TAG_BYTES)), decipher.final()])
}

export function openSecretBox(options: { readonly key: Uint8Array; readonly previousKeys?: readonly Uint8Array[] }): SecretBox {
  const all = [options.key, ...(options.previousKeys ?? [])]
  if (all.some((key) => key.length !== KEY_BYTES)) throw new SecretError(`an encryption key must have ${KEY_BYTES} bytes`)
  const keys = new Map(all.toReversed().map((key) => [keyId(key), key]))
  const current = keyId(options.key)
  return {
    keyId: current,
    opens: (id) => keys.has(id),
    seal(value, aad) {
      const dataKey = randomBytes(KEY_BYTES)
      const wrapped = encrypt(options.key, dataKey, `${FORMAT}.${current}\n${aad}`)
      const content = encrypt(dataKey, Buffer.from(JSON.stringify(value)), aad)
      return [FORMAT, current, wrapped.toString('base64url'), content.toString('base64url')].join('.')
    },
    open(sealed, aad) {
      const [format, id = '', wrapped = '', content = '', ...more] = sealed.split('.')
      if (format !== FORMAT || more.length > 0) throw new SecretError('not a sealed secret of this version')
      const key = keys.get(id)
      if (!key) throw new SecretError(`a secret is sealed with the key ${id}, which is not among the keys given`)
      try {
        const dataKey = decrypt(key, Buffer.from(wrapped, 'base64url'), `${FORMAT}.${id}\n${aad}`)
        return JSON.parse(decrypt(dataKey, Buffer.from(content, 'base64url'), aad).toString()) as SecretJson
      } catch (error) {
        throw error instanceof SecretError
          ? error
          : new SecretError('a sealed secret was changed, or belongs to something else', error)
      }
    },
    isStale: (sealed) => !sealed.startsWith(`${FORMAT}.${current}.`),
  }
}

/** A key from the settings: 32 bytes in base64 (either alphabet) or hexadecimal. */
export function parseKey(text: string, name: string): Buffer {
  const trimmed = text.trim()
  const key = /^[0-9a-fA-F]{64}$/.test(trimmed) ? Buffer.from(trimmed, 'hex') : Buffer.from(trimmed, 'base64')
  if (key.length !== KEY_BYTES || !/^[A-Za-z0-9+/_=-]+$/.test(trimmed))
    throw new SecretError(`${name} must be ${KEY_BYTES} bytes in base64`)
  return key
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Makes a file that only its owner can read, unless there is one: whole or not at all, durable with its entries in the
 * folders above, and the same for several processes that start at once.
 */
export function createPrivateFile(file: string, text: string): void {
  const folder = dirname(file)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomBytes(8).toString('hex')}`
  try {
    const fd = openSync(temporary, 'wx', 0o600)
    try {
      fchmodSync(fd, 0o600)
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    // Fails where another process was first; its file is the one then.
    linkSync(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  for (const changed of [folder, dirname(folder), dirname(dirname(folder))]) syncFolder(changed)
}

/** The key `<directory>/keys/<name>`, if there is such a file. */
export const loadKey = (directory: string, name: string): Buffer | undefined => readKey(join(directory, 'keys', name))

/** The key `<directory>/keys/<name>`, made on first use. */
export function loadOrCreateKey(directory: string, name: string): Buffer {
  const file = join(directory, 'keys', name)
  const there = readKey(file)
  if (there) return there
  createPrivateFile(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`)
  const key = readKey(file)
  if (!key) throw new SecretError(`the key ${name} vanished while it was made`)
  return key
}

function readKey(file: string): Buffer | undefined {
  try {
    return parseKey(readFileSync(file, 'utf8'), `the content of the key file ${file}`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
