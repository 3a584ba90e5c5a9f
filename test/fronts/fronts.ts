import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FrontKind } from './front-kind.ts'

const root = process.getuid?.() === 0

function written(directory: string, name: string, lines: readonly string[]): string {
  const file = join(directory, name)
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

/** What a user's file has around the settings, or what keeps a second one on this machine apart from the first. */
export const FRONTS: readonly FrontKind[] = [
  {
    name: 'nginx',
    needs: [['nginx', 'nginx-light']],
    version: ['nginx', '-v'],
    plain: 'server { listen 127.0.0.1:8000; location / { proxy_pass http://127.0.0.1:8080; } }',
    launch(settings, { directory }) {
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (what) => `${what}_temp_path ${directory}/${what};`,
      )
      const lines = [
        ...(root ? ['user root;'] : []),
        ...['daemon off;', `pid ${directory}/pid;`, 'error_log stderr;', 'events {}'],
        ...['http {', 'access_log off;', ...temporary, settings, '}'],
      ]
      return { argv: ['nginx', '-p', directory, '-c', written(directory, 'nginx.conf', lines)] }
    },
  },
  {
    name: 'Apache',
    needs: [['apache2', 'apache2']],
    version: ['apache2', '-v'],
    plain: '<VirtualHost 127.0.0.1:8000>\nProxyPass / http://127.0.0.1:8080/\n</VirtualHost>',
    launch(settings, { directory, port }) {
      const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', 'headers', 'env', 'setenvif']
      const lines = [
        ...[`ServerRoot ${directory}`, 'ServerName localhost', `PidFile ${directory}/pid`],
        ...[`DefaultRuntimeDir ${directory}`, `Listen 127.0.0.1:${port}`, `ErrorLog ${directory}/log`],
        ...modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
        ...(root ? ['User www-data', 'Group www-data'] : []),
        settings,
      ]
      return { argv: ['apache2', '-f', written(directory, 'apache.conf', lines), '-D', 'FOREGROUND'] }
    },
  },
  {
    name: 'HAProxy',
    needs: [['haproxy', 'haproxy']],
    version: ['haproxy', '-v'],
    plain: [
      ...['defaults', 'mode http', 'timeout connect 5s', 'timeout client 60s', 'timeout server 60s'],
      ...['frontend front', 'bind 127.0.0.1:8000', 'default_backend service'],
      ...['backend service', 'server one 127.0.0.1:8080'],
    ].join('\n'),
    launch: (settings, { directory }) => ({
      argv: ['haproxy', '-db', '-f', written(directory, 'haproxy.cfg', [settings])],
    }),
  },
  {
    name: 'Caddy',
    needs: [['caddy', 'caddy']],
    version: ['caddy', 'version'],
    plain: 'http://:8000 {\n\tbind 127.0.0.1\n\treverse_proxy 127.0.0.1:8080\n}',
    launch: (settings, { directory }) => ({
      argv: [
        ...(['caddy', 'run', '--adapter', 'caddyfile', '--config'] as const),
        written(directory, 'Caddyfile', ['{', '\tadmin off', '\tauto_https off', '}', settings]),
      ],
      env: { XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    }),
  },
  {
    name: 'Varnish',
    needs: [['varnishd', 'varnish']],
    version: ['varnishd', '-V'],
    plain: 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "8080"; }',
    launch: (settings, { directory, port }) => ({
      argv: [
        ...(['varnishd', '-F', '-n', join(directory, 'varnish'), '-j', 'none', '-s', 'malloc,16m'] as const),
        ...['-a', `127.0.0.1:${port}`, '-f', written(directory, 'default.vcl', [settings])],
      ],
    }),
  },
  {
    name: 'Squid',
    needs: [['squid', 'squid']],
    version: ['squid', '--version'],
    plain: [
      'http_port 127.0.0.1:8000 accel defaultsite=127.0.0.1 no-vhost',
      'cache_peer 127.0.0.1 parent 8080 0 no-query originserver',
      'http_access allow all',
    ].join('\n'),
    launch(settings, { directory }) {
      const lines = [
        ...[settings, `pid_filename ${directory}/pid`, `coredump_dir ${directory}`, 'access_log none'],
        ...[`cache_log ${directory}/cache.log`, 'pinger_enable off', 'shutdown_lifetime 0 seconds'],
        ...['visible_hostname front', 'workers 1', 'netdb_filename none', 'cache_mem 16 MB'],
        ...(root ? ['cache_effective_user proxy'] : []),
      ]
      return { argv: ['squid', '-N', '-f', written(directory, 'squid.conf', lines)] }
    },
  },
  {
    name: 'lighttpd',
    needs: [['lighttpd', 'lighttpd']],
    version: ['lighttpd', '-v'],
    plain: [
      ...['server.bind = "127.0.0.1"', 'server.port = 8000', 'server.modules = ("mod_proxy")'],
      'proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => 8080 )) )',
    ].join('\n'),
    launch(settings, { directory }) {
      const lines = [
        ...[`server.document-root = "${directory}"`, `server.errorlog = "${directory}/log"`],
        ...[`server.upload-dirs = ("${directory}")`, settings],
      ]
      return { argv: ['lighttpd', '-D', '-f', written(directory, 'lighttpd.conf', lines)] }
    },
  },
  {
    name: 'nghttpx',
    needs: [['nghttpx', 'nghttp2-proxy']],
    version: ['nghttpx', '--version'],
    plain: 'frontend=127.0.0.1,8000;no-tls\nbackend=127.0.0.1,8080',
    launch: (settings, { directory }) => ({
      argv: [
        'nghttpx',
        '--conf',
        written(directory, 'nghttpx.conf', [settings, `pid-file=${directory}/pid`, 'workers=1']),
      ],
    }),
  },
  {
    name: 'Traffic Server',
    needs: [['traffic_server', 'trafficserver']],
    version: ['traffic_server', '--version'],
    plain: [
      'CONFIG proxy.config.http.server_ports STRING 8000:ip-in=127.0.0.1',
      'map / http://127.0.0.1:8080/',
    ].join('\n'),
    launch(settings, { directory }) {
      const lines = settings.split('\n').map((line) => line.trim())
      const records = [
        ...lines.filter((line) => line.startsWith('CONFIG ')),
        // Its own files in the directory, and no rights of root.
        ...[
          'CONFIG proxy.config.log.logging_enabled INT 0',
          `CONFIG proxy.config.admin.user_id STRING ${root ? 'www-data' : '#-1'}`,
        ],
        ...[
          'CONFIG proxy.config.exec_thread.autoconfig INT 0',
          'CONFIG proxy.config.exec_thread.limit INT 1',
        ],
      ]
      const layout = ['sysconfdir', 'localstatedir', 'runtimedir', 'logdir', 'cachedir', 'datadir']
      written(directory, 'records.config', records)
      written(
        directory,
        'remap.config',
        lines.filter((line) => /^(?:map|reverse_map) /.test(line)),
      )
      written(directory, 'storage.config', [`${directory} 16M`])
      // Without the file nobody is let in.
      written(directory, 'ip_allow.yaml', [
        ...['ip_allow:', '- apply: in', '  ip_addrs: 0/0', '  action: allow', '  methods: ALL'],
      ])
      const file = written(directory, 'runroot.yaml', [
        ...layout.map((what) => `${what}: ${directory}`),
        'prefix: /usr',
        'exec_prefix: /usr',
        'bindir: /usr/bin',
      ])
      return { argv: ['traffic_server', `--run-root=${file}`] }
    },
  },
  {
    name: 'H2O',
    needs: [['h2o', 'h2o']],
    version: ['h2o', '--version'],
    plain: [
      ...['listen:', '  host: 127.0.0.1', '  port: 8000', 'hosts:', '  default:'],
      ...['    paths:', '      /:', '        proxy.reverse.url: http://127.0.0.1:8080/'],
    ].join('\n'),
    launch: (settings, { directory }) => ({
      argv: [
        ...(['h2o', '--conf'] as const),
        written(directory, 'h2o.conf', [settings, ...(root ? ['user: root'] : []), 'num-threads: 1']),
      ],
    }),
  },
]
