/* A partner as a process of its own: started by run.ts, told what to do over IPC, see messages.ts. */
import { type FromPartner, toPartner } from './messages.ts'
import { Partner } from './partner.ts'
import { Recorder } from './recorder.ts'
import { Sender } from './sender.ts'

const TALLY_EVERY_MS = 500

let partner: Partner | undefined
const say = (message: FromPartner) => void process.send?.(message)

process.on('message', (raw) => {
  void obey(raw).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(1))

async function obey(raw: unknown): Promise<void> {
  const order = toPartner.parse(raw)
  if (order.do === 'start') {
    const recorder = Recorder.open(order.file)
    const sender = new Sender(order.plan, recorder, order.urls, `p${order.index}`)
    partner = new Partner(order.plan, sender, order.index)
    partner.start()
    setInterval(() => say({ said: 'tally', ...sender.tally }), TALLY_EVERY_MS).unref()
    say({ said: 'ready' })
    return
  }
  if (partner === undefined) throw new Error('a partner is started first')
  if (order.do === 'stop') say({ said: 'stopped', open: await partner.stop() })
  else if (order.do === 'sweep') say({ said: 'swept', open: await partner.sweep() })
  else say({ said: 'done', n: order.n, ...(await event(partner, order)) })
}

async function event(
  one: Partner,
  { event: name, node, count }: Extract<ReturnType<typeof toPartner.parse>, { do: 'event' }>,
): Promise<{ hit: boolean; detail: string }> {
  switch (name) {
    case 'fire':
      await one.fire(node, count)
      return { hit: true, detail: `${count} requests on their way` }
    case 'crowd':
      await one.crowd(node, count)
      return { hit: true, detail: `${count} requests on their way to one node` }
    case 'client-leaves':
      await Promise.all(Array.from({ length: count }, () => one.leave()))
      return { hit: true, detail: `${count} clients left` }
    case 'half-body':
      await Promise.all(Array.from({ length: count }, () => one.half()))
      return { hit: true, detail: `${count} half bodies` }
    case 'copies':
      await one.copies(count)
      return { hit: true, detail: `${count} copies` }
    case 'never-ends':
      await one.neverEnds()
      return { hit: true, detail: 'two copies of one request' }
    case 'after-ttl': {
      const asked = await one.afterTtl()
      return { hit: asked > 0, detail: `${asked} keys` }
    }
  }
}
