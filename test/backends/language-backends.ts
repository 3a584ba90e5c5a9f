import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BackendKind } from './backend-kind.ts'

export const PROGRAMS = fileURLToPath(new URL('./programs', import.meta.url))
const program = (name: string) => join(PROGRAMS, name)

/** Without trailers and interim responses, which their interfaces do not have. */
const NO_EXTRAS = ['interim', 'trailers']
/** Debian's own: another one in PATH does not have Debian's packages. */
const PYTHON = '/usr/bin/python3'
/** Python itself may be there without it. */
const FLASK = ['/usr/bin/flask', 'python3-flask'] as const

function npm(name: string, version: string, lacks: string[] = []): BackendKind {
  return {
    name,
    needs: [],
    npm: true,
    version: ['node', '-p', `require('${PROGRAMS}/node_modules/${version}/package.json').version`],
    launch: () => ({ commands: [{ argv: ['node', program(`${version.split('/').pop()}.js`)] }] }),
    lacks,
  }
}

/** Servers of programming languages, each with a program in which a handler runs. */
export const LANGUAGE_BACKENDS: readonly BackendKind[] = [
  {
    name: 'Node.js http',
    needs: [],
    version: ['node', '--version'],
    launch: () => ({ commands: [{ argv: ['node', program('node.js')] }] }),
  },
  npm('Express', 'express'),
  npm('Fastify', 'fastify'),
  npm('Hono', 'hono', ['trailers']),
  {
    name: 'php -S',
    endsWithConnection: true,
    needs: [['php', 'php-cli']],
    version: ['php', '--version'],
    launch: ({ port }) => ({
      commands: [
        {
          argv: ['php', '-S', `127.0.0.1:${port}`, program('server.php')],
          // One process serves one request at a time.
          env: { PHP_CLI_SERVER_WORKERS: '8' },
        },
      ],
    }),
    lacks: NO_EXTRAS,
  },
  {
    name: 'Flask, its own server',
    needs: [FLASK],
    version: [PYTHON, '-c', 'import flask; print(flask.__version__)'],
    launch: () => ({
      commands: [{ argv: [PYTHON, program('server_flask.py')], env: { PYTHONDONTWRITEBYTECODE: '1' } }],
    }),
    lacks: NO_EXTRAS,
  },
  {
    name: 'Flask, gunicorn',
    needs: [['gunicorn', 'gunicorn'], FLASK],
    version: ['gunicorn', '--version'],
    launch: ({ port }) => ({
      commands: [
        {
          argv: [
            ...(['gunicorn', '--workers', '8', '--timeout', '120', '--bind', `127.0.0.1:${port}`] as const),
            ...['--chdir', PROGRAMS, 'server_flask:app'],
          ],
          env: { PYTHONDONTWRITEBYTECODE: '1' },
        },
      ],
    }),
    lacks: NO_EXTRAS,
  },
  {
    name: 'uvicorn',
    needs: [['uvicorn', 'uvicorn']],
    version: ['uvicorn', '--version'],
    launch: ({ port }) => ({
      commands: [
        {
          argv: [
            'uvicorn',
            '--port',
            `${port}`,
            '--log-level',
            'warning',
            '--app-dir',
            PROGRAMS,
            'server_asgi:app',
          ],
          env: { PYTHONDONTWRITEBYTECODE: '1' },
        },
      ],
    }),
    lacks: NO_EXTRAS,
  },
  {
    name: 'Go net/http',
    needs: [['go', 'golang-go']],
    version: ['go', 'version'],
    launch: ({ directory }) => {
      const binary = join(directory, 'server')
      const env = { ...process.env, GOCACHE: '/tmp/oncekey-go-cache', GOFLAGS: '-mod=mod', HOME: directory }
      execFileSync('go', ['build', '-o', binary, program('server.go')], {
        cwd: directory,
        env,
        stdio: 'pipe',
      })
      return { commands: [{ argv: [binary] }] }
    },
  },
  {
    name: 'com.sun.net.httpserver',
    needs: [['javac', 'default-jdk-headless']],
    version: ['javac', '-version'],
    launch: ({ directory }) => {
      execFileSync('javac', ['-d', directory, program('Server.java')], { stdio: 'pipe' })
      return { commands: [{ argv: ['java', '-XX:TieredStopAtLevel=1', '-cp', directory, 'Server'] }] }
    },
    lacks: NO_EXTRAS,
  },
  {
    name: 'WEBrick',
    needs: [['ruby', 'ruby-webrick']],
    version: ['ruby', '-rwebrick', '-e', 'puts WEBrick::VERSION'],
    launch: () => ({ commands: [{ argv: ['ruby', program('webrick.rb')] }] }),
    lacks: NO_EXTRAS,
  },
  {
    name: 'Puma',
    needs: [['puma', 'puma']],
    version: ['puma', '--version'],
    launch: ({ port }) => ({
      commands: [
        {
          argv: [
            ...(['puma', '--early-hints', '--threads', '8:8', '--bind', `tcp://127.0.0.1:${port}`] as const),
            ...['--environment', 'production', program('puma.ru')],
          ],
        },
      ],
    }),
    lacks: ['trailers'],
  },
  {
    name: 'libmicrohttpd',
    needs: [
      ['cc', 'gcc'],
      ['/usr/include/microhttpd.h', 'libmicrohttpd-dev'],
    ],
    // 0x00097500 is 0.9.75.
    version: [
      ...(['sed', '-nE'] as const),
      's/^#define MHD_VERSION 0x0?([0-9])0?([0-9])([0-9]{2})00$/\\1.\\2.\\3/p',
      '/usr/include/microhttpd.h',
    ],
    launch: ({ directory }) => {
      const binary = join(directory, 'server')
      execFileSync('cc', ['-O1', program('server.c'), '-lmicrohttpd', '-o', binary], { stdio: 'pipe' })
      return { commands: [{ argv: [binary] }] }
    },
    lacks: ['interim'],
  },
]
