/** What a person reads at the start. No secret is printed: the snippet reads them from their file. */
import type { Settings } from '../config.ts'

export interface Started {
  readonly url: string
  readonly firstStart: boolean
  readonly adminFile: string
  readonly hasAdminFile: boolean
}

function snippet(started: Started, settings: Settings): string {
  const load = (token: string): string =>
    `  catalog = load_catalog("lake", type="rest", uri="${started.url}", warehouse="lake"${token})\n  print(catalog.list_namespaces())\n`
  if (settings.noAuth) return `  from pyiceberg.catalog import load_catalog\n\n${load('')}`
  if (!started.hasAdminFile) return `  from pyiceberg.catalog import load_catalog\n\n${load(', token="<token>"')}`
  return (
    `  import json\n  from pyiceberg.catalog import load_catalog\n\n` +
    `  admin = json.load(open(${JSON.stringify(started.adminFile)}))\n${load(', token=admin["token"]')}`
  )
}

export function banner(started: Started, settings: Settings): string {
  if (settings.logFormat === 'json')
    return `${JSON.stringify({ event: 'listening', url: started.url, firstStart: started.firstStart })}\n`
  const access = settings.noAuth
    ? 'no authentication: everybody on this machine is the administrator'
    : started.hasAdminFile
      ? `credentials in ${started.adminFile}`
      : `credentials where the first start wrote them, not in ${started.adminFile}; "pangolin admin create-token" makes a token`
  const first = started.firstStart ? '  made the administrator and the catalog "lake" on a local warehouse\n' : ''
  return (
    `\nPangolin, an Apache Iceberg REST catalog\n\n  listening on ${started.url}\n  ${access}\n  data in ${settings.dataDirectory}\n${first}` +
    `\nPyIceberg (pip install "pyiceberg[pyarrow]"):\n\n${snippet(started, settings)}\nCtrl-C stops the server.\n\n`
  )
}

export function help(): string {
  return (
    'Starts a Pangolin server: an Apache Iceberg REST catalog.\n\n' +
    'Settings come from the environment, then from the file that PANGOLIN_CONFIG names or <PANGOLIN_DATA>/pangolin.env:\n' +
    'PORT (8080), PANGOLIN_BIND_ADDRESS (127.0.0.1), PANGOLIN_DATA (./data), DATABASE_URL (a SQLite file) and the others\n' +
    'of docs/settings.md.\n\n' +
    'pangolin store copy|check|backup|restore|rekey: tools for the database; see pangolin store --help\n' +
    'pangolin audit verify: whether the logs of changes are what servers wrote; see pangolin audit --help\n' +
    'pangolin admin reset-password|create-token: for an administrator who can not sign in; see pangolin admin --help\n'
  )
}
