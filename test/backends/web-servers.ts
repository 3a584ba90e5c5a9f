import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BackendKind, Command, LaunchSite, Need } from './backend-kind.ts'
import { PROGRAMS } from './language-backends.ts'

/** Web servers that pass requests on to a program (CGI) or to another server, or serve files. */

const NGINX: Need = ['nginx', 'nginx-light']
const APACHE: Need = ['apache2', 'apache2']
const LIGHTTPD: Need = ['lighttpd', 'lighttpd']
const BUSYBOX: Need = ['busybox', 'busybox']
const NODE = { argv: ['node', join(PROGRAMS, 'node.js')] } as const
const LARGE = 104_857_600
const ANY_SIZE = '0'

/** The files of a static server: `charge`, `empty` and `large`. */
function files({ directory }: LaunchSite): string {
  const root = join(directory, 'www')
  mkdirSync(root)
  writeFileSync(join(root, 'charge'), 'a file')
  writeFileSync(join(root, 'empty'), '')
  writeFileSync(join(root, 'large'), Buffer.alloc(LARGE, 'x'))
  return root
}

/** cgi.pl beside its ledger; `at`: a folder of the place. */
function script({ directory, ledger }: LaunchSite, at = ''): string {
  const folder = join(directory, at)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'cgi.pl')
  copyFileSync(join(PROGRAMS, 'cgi.pl'), file)
  if (at !== '') symlinkSync(ledger, join(folder, 'ledger'))
  chmodSync(file, 0o755)
  return file
}

function written({ directory }: LaunchSite, name: string, lines: readonly string[]): string {
  const file = join(directory, name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

function nginx(place: LaunchSite, location: readonly string[]): Command {
  const { directory, port } = place
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${directory}/${what};`,
  )
  const lines = [
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    ...[
      'daemon off;',
      `pid ${directory}/pid;`,
      'error_log stderr;',
      'events {}',
      'http {',
      'access_log off;',
      ...bodies,
    ],
    ...[
      `client_max_body_size ${ANY_SIZE};`,
      `server { listen 127.0.0.1:${port}; location / {`,
      ...location,
      '} } }',
    ],
  ]
  return { argv: ['nginx', '-p', directory, '-c', written(place, 'nginx.conf', lines)] }
}

function apache(place: LaunchSite, modules: readonly string[], own: readonly string[]): Command {
  const { directory, port } = place
  const root = process.getuid?.() === 0
  const load = ['mpm_event', 'authz_core', ...modules].map(
    (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
  )
  const lines = [
    ...[
      `ServerRoot ${directory}`,
      'ServerName localhost',
      `PidFile ${directory}/pid`,
      `DefaultRuntimeDir ${directory}`,
    ],
    ...[`Listen 127.0.0.1:${port}`, `ErrorLog ${directory}/log`, ...load, ...own],
    ...(root ? ['User www-data', 'Group www-data'] : []),
    ...['<Directory />', 'Require all granted', 'Options +ExecCGI', '</Directory>'],
  ]
  const file = written(place, 'apache.conf', lines)
  return { argv: ['apache2', '-f', file, '-D', 'FOREGROUND'], env: { APACHE_RUN_DIR: directory } }
}

function lighttpd(place: LaunchSite, own: readonly string[]): Command {
  const { directory, port } = place
  const lines = [
    ...[`server.document-root = "${directory}"`, `server.port = ${port}`, 'server.bind = "127.0.0.1"'],
    ...[`server.errorlog = "${directory}/log"`, `server.upload-dirs = ("${directory}")`, ...own],
  ]
  return { argv: ['lighttpd', '-D', '-f', written(place, 'lighttpd.conf', lines)] }
}

/** A CGI program has no means for them. */
const CGI_LACKS = ['interim', 'trailers']

export const WEB_SERVERS: readonly BackendKind[] = [
  {
    name: 'nginx, static',
    needs: [NGINX],
    version: ['nginx', '-v'],
    isStatic: true,
    launch: (place) => ({ commands: [nginx(place, [`root ${files(place)};`])] }),
  },
  {
    name: 'nginx, CGI by fcgiwrap',
    needs: [NGINX, ['fcgiwrap', 'fcgiwrap']],
    version: ['nginx', '-v'],
    inner: 'script',
    lacks: CGI_LACKS,
    launch: (place) => {
      const pass = [
        ...[`fastcgi_pass unix:${place.directory}/sock;`, `fastcgi_param SCRIPT_FILENAME ${script(place)};`],
        ...['fastcgi_param PATH_INFO $uri;', 'fastcgi_param REQUEST_METHOD $request_method;'],
        ...['fastcgi_param CONTENT_LENGTH $content_length;', 'fastcgi_param CONTENT_TYPE $content_type;'],
        'fastcgi_buffering off;',
      ]
      const wrap = ['fcgiwrap', '-c', '8', '-s', `unix:${place.directory}/sock`] as const
      return { commands: [{ argv: wrap, socket: `${place.directory}/sock` }, nginx(place, pass)] }
    },
  },
  {
    name: 'nginx, proxy (as installed)',
    needs: [NGINX],
    version: ['nginx', '-v'],
    inner: 'origin',
    launch: (place) => ({
      commands: [NODE, nginx(place, [`proxy_pass http://127.0.0.1:${place.behindPort};`])],
    }),
  },
  {
    name: 'nginx, proxy with HTTP/1.1',
    needs: [NGINX],
    version: ['nginx', '-v'],
    inner: 'origin',
    launch: (place) => ({
      commands: [
        NODE,
        nginx(place, [`proxy_pass http://127.0.0.1:${place.behindPort};`, 'proxy_http_version 1.1;']),
      ],
    }),
  },
  {
    name: 'Apache, static',
    needs: [APACHE],
    version: ['apache2', '-v'],
    isStatic: true,
    launch: (place) => ({ commands: [apache(place, [], [`DocumentRoot ${files(place)}`])] }),
  },
  {
    name: 'Apache, CGI',
    needs: [APACHE],
    version: ['apache2', '-v'],
    inner: 'script',
    lacks: CGI_LACKS,
    launch: (place) => {
      const own = [`ScriptAlias / ${script(place)}/`, `ScriptSock ${place.directory}/sock`]
      return { commands: [apache(place, ['alias', 'cgid'], own)] }
    },
  },
  {
    name: 'Apache, proxy',
    needs: [APACHE],
    version: ['apache2', '-v'],
    inner: 'origin',
    launch: (place) => ({
      commands: [
        NODE,
        apache(place, ['proxy', 'proxy_http'], [`ProxyPass / http://127.0.0.1:${place.behindPort}/`]),
      ],
    }),
  },
  {
    name: 'lighttpd, static',
    needs: [LIGHTTPD],
    version: ['lighttpd', '-v'],
    isStatic: true,
    launch: (place) => ({
      commands: [
        lighttpd(place, [
          `server.document-root := "${files(place)}"`,
          'mimetype.assign = ("" => "text/plain")',
        ]),
      ],
    }),
  },
  {
    name: 'lighttpd, CGI',
    needs: [LIGHTTPD],
    version: ['lighttpd', '-v'],
    inner: 'script',
    lacks: CGI_LACKS,
    launch: (place) => {
      script(place)
      const own = [
        'server.modules = ("mod_cgi")',
        'cgi.assign = (".pl" => "")',
        'server.stream-response-body = 1',
      ]
      return { basePath: '/cgi.pl', commands: [lighttpd(place, own)] }
    },
  },
  {
    name: 'lighttpd, proxy',
    // It makes a header that is no valid HTTP out of them: findings/lighttpd-trailers-become-a-broken-header.sh
    lacks: ['trailers'],
    needs: [LIGHTTPD],
    version: ['lighttpd', '-v'],
    inner: 'origin',
    launch: (place) => {
      const to = `( "" => (( "host" => "127.0.0.1", "port" => ${place.behindPort} )) )`
      const own = [
        'server.modules = ("mod_proxy")',
        `proxy.server = ${to}`,
        'server.stream-response-body = 1',
      ]
      return { commands: [NODE, lighttpd(place, own)] }
    },
  },
  {
    name: 'busybox httpd, static',
    closesUnannounced: true,
    needs: [BUSYBOX],
    version: ['busybox'],
    isStatic: true,
    launch: (place) => ({
      commands: [{ argv: ['busybox', 'httpd', '-f', '-p', `127.0.0.1:${place.port}`, '-h', files(place)] }],
    }),
  },
  {
    name: 'busybox httpd, CGI',
    closesUnannounced: true,
    endsWithConnection: true,
    needs: [BUSYBOX],
    version: ['busybox'],
    inner: 'script',
    lacks: CGI_LACKS,
    launch: (place) => {
      script(place, 'cgi-bin')
      return {
        basePath: '/cgi-bin/cgi.pl',
        commands: [
          { argv: ['busybox', 'httpd', '-f', '-p', `127.0.0.1:${place.port}`, '-h', place.directory] },
        ],
      }
    },
  },
]
