import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * Which of these local ports of connections belong to the process. Elsewhere than on Linux nobody can tell without other
 * programs: then it is all of them.
 */
export function portsOf(pid: number, ports: readonly number[]): Set<number> {
  if (process.platform !== 'linux') return new Set(ports)
  const inodes = new Set<string>()
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${name}`))?.[1]
      if (inode !== undefined) inodes.add(inode)
    }
  } catch {
    // It has ended.
    return new Set()
  }
  const own = new Set<number>()
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/)
    const port = Number.parseInt(local.split(':')[1] ?? '', 16)
    if (inodes.has(inode)) own.add(port)
  }
  return new Set(ports.filter((port) => own.has(port)))
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
