import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { loadOrCreateKey, openSecretBox, parseKey, SecretError } from '../../src/access/secrets.ts'

const key = randomBytes(32)

describe('secret box', () => {
  const box = openSecretBox({ key })
  it('opens what it sealed, for the same owner', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.string(), (value, aad) => {
        const json = JSON.parse(JSON.stringify(value))
        assert.deepEqual(box.open(box.seal(json, aad), aad), json)
      }),
    )
  })
  it('never seals twice alike, and shows nothing', () => {
    const sealed = Array.from({ length: 50 }, () => box.seal({ k: 'hunter2' }, 'a'))
    assert.equal(new Set(sealed).size, 50)
    assert.equal(new Set(sealed.flatMap((text) => text.split('.').slice(2))).size, 100)
    assert.ok(
      sealed.every(
        (text) => !text.includes('hunter2') && !text.includes(Buffer.from('hunter2').toString('base64url').slice(0, 8)),
      ),
    )
  })
  it('opens for no other owner, and nothing that was changed', () => {
    const sealed = box.seal({ k: 'hunter2' }, 'warehouse/t1/w1')
    assert.throws(() => box.open(sealed, 'warehouse/t2/w1'), SecretError)
    const parts = sealed.split('.')
    const bytes = [2, 3].flatMap((part) => Array.from({ length: parts[part]?.length ?? 0 }, (_, at) => [part, at] as const))
    for (const [part, at] of bytes) {
      const text = parts[part] ?? ''
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'Q' : 'A') + text.slice(at + 1)
      if (Buffer.from(changed, 'base64url').equals(Buffer.from(text, 'base64url'))) continue
      assert.throws(
        () => box.open(parts.with(part, changed).join('.'), 'warehouse/t1/w1'),
        (error) => error instanceof SecretError && !error.message.includes('hunter2'),
      )
    }
    // The data key of one value does not open another.
    const other = box.seal({ k: 'x' }, 'warehouse/t1/w1').split('.')
    assert.throws(() => box.open([...parts.slice(0, 3), other[3]].join('.'), 'warehouse/t1/w1'), SecretError)
    for (const text of ['', 'x', 'pgs1', 'pgs1...', 'pgs2.' + sealed.slice(5), `${sealed}.x`, `${parts[0]}.${parts[1]}..`]) {
      assert.throws(() => box.open(text, 'warehouse/t1/w1'), SecretError)
    }
  })
  it('opens with a previous key until sealed anew', () => {
    const sealed = box.seal('x', 'a')
    const rotated = openSecretBox({ key: randomBytes(32), previousKeys: [key] })
    assert.equal(rotated.open(sealed, 'a'), 'x')
    assert.ok(rotated.isStale(sealed) && !box.isStale(sealed) && !rotated.isStale(rotated.seal('x', 'a')))
    assert.throws(() => openSecretBox({ key: randomBytes(32) }).open(sealed, 'a'), /not among the keys/)
  })
  it('refuses keys of another length', () => {
    assert.throws(() => openSecretBox({ key: randomBytes(16) }), SecretError)
    assert.throws(() => openSecretBox({ key, previousKeys: [randomBytes(31)] }), SecretError)
  })
})

describe('keys', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pangolin-keys-'))
  after(() => fs.rmSync(folder, { recursive: true, force: true }))

  it('are read in base64 and hexadecimal, never of another length', () => {
    for (const text of [key.toString('base64'), key.toString('base64url'), key.toString('hex'), ` ${key.toString('base64')}\n`]) {
      assert.deepEqual(parseKey(text, 'X'), key)
    }
    for (const text of [
      '',
      'hunter2',
      randomBytes(31).toString('base64'),
      randomBytes(33).toString('base64'),
      `${key.toString('base64')}!`,
    ]) {
      assert.throws(
        () => parseKey(text, 'SETTING'),
        (error) => error instanceof SecretError && error.message.includes('SETTING') && !error.message.includes('hunter2'),
      )
    }
  })
  it('are made once, for their owner alone', () => {
    const first = loadOrCreateKey(path.join(folder, 'data'), 'secrets')
    assert.equal(first.length, 32)
    assert.deepEqual(loadOrCreateKey(path.join(folder, 'data'), 'secrets'), first)
    assert.notDeepEqual(loadOrCreateKey(path.join(folder, 'data'), 'tokens'), first)
    assert.deepEqual(fs.readdirSync(path.join(folder, 'data', 'keys')), ['secrets', 'tokens'])
    if (process.platform !== 'win32') {
      assert.equal(fs.statSync(path.join(folder, 'data', 'keys', 'secrets')).mode & 0o777, 0o600)
      assert.equal(fs.statSync(path.join(folder, 'data', 'keys')).mode & 0o777, 0o700)
    }
  })
  it('are never replaced when their file is damaged', () => {
    fs.mkdirSync(path.join(folder, 'other', 'keys'), { recursive: true })
    fs.writeFileSync(path.join(folder, 'other', 'keys', 'secrets'), '')
    assert.throws(() => loadOrCreateKey(path.join(folder, 'other'), 'secrets'), SecretError)
    assert.equal(fs.readFileSync(path.join(folder, 'other', 'keys', 'secrets'), 'utf8'), '')
  })
})
