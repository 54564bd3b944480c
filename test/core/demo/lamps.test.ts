import { expect } from 'chai'
import type { Reading } from '../../../core/demo/lamp-reading.ts'
import { type Screen, showLamps } from '../../../core/demo/lamps.ts'
import type { LampChange } from '../../../core/demo/phones.ts'

const NAMES = new Map([
  ['100', 'Alice'],
  ['101', 'Zoë'],
])
const nameOf = (number: string): string => NAMES.get(number) ?? ''

class FakeScreen implements Screen {
  text = ''
  columns = 60
  rows = 24
  readonly isTTY: boolean
  resized: (() => void) | undefined

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): void {
    this.text += text
  }

  on(_: 'resize', listener: () => void): void {
    this.resized = listener
  }

  off(): void {
    this.resized = undefined
  }
}

const change = (target: string, light: Reading['light'], words: string): LampChange => ({
  phone: '100',
  spec: { event: target === '100' ? 'message-summary' : 'dialog', target },
  reading: { light, words },
})

describe('the picture of the lamps', () => {
  it('is one plain line a change where there is no terminal', () => {
    const screen = new FakeScreen(false)
    const view = showLamps(screen, { nameOf })
    view.lamp(change('101', 'flashing', 'ringing from \x1b[2J'))
    view.said('Alice calls Zoë')
    view.close()
    expect(screen.text.replace(/[0-9]{2}:[0-9]{2}:[0-9]{2}/g, 'TIME')).to.equal(
      'TIME phone 100 Alice: 101 Zoë: ringing from ?[2J\nTIME Alice calls Zoë\n',
    )
  })

  it('is a board in colour on a terminal, drawn over itself', () => {
    const screen = new FakeScreen(true)
    const view = showLamps(screen, { nameOf })
    view.lamp(change('102', 'off', 'idle'))
    view.lamp(change('100', 'message', '1 new, 0 old'))
    view.close()
    const lines = screen.text.split('\n')
    expect(lines).to.have.lengthOf(4)
    expect(lines[2]).to.match(/\[1;34m✉ voicemail: 1 new, 0 old.*\[32m○ 102: idle/)
    expect(screen.text).not.to.include('A\r')
    view.lamp(change('102', 'lit', 'in use'))
    view.close()
    expect(screen.text.split('\x1b[3A\r')).to.have.lengthOf(2)
  })

  it('never writes a line that the terminal would wrap, nor more lines than it has', () => {
    const screen = new FakeScreen(true)
    screen.columns = 30
    screen.rows = 6
    const view = showLamps(screen, { nameOf })
    for (let n = 101; n < 130; n++) view.lamp(change(String(n), 'lit', 'in a call with somebody with a long name'))
    view.close()
    const lines = screen.text.split('\n').map((line) => line.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ''))
    expect(lines).to.have.lengthOf(6)
    for (const line of lines) expect(line.trimEnd().length).to.be.at.most(30)
  })

  it('keeps the command that it names whole, however narrow the terminal and many the phones', () => {
    const screen = new FakeScreen(true)
    screen.columns = 30
    const about = ['Ask it:', 'node cli.js -C /tmp/lamplighter-demo-0 -r', 'It is an office of 6 phones.']
    const view = showLamps(screen, { nameOf, about })
    for (let n = 101; n < 130; n++) view.lamp(change(String(n), 'lit', 'in a call with somebody'))
    view.close()
    const lines = screen.text.split('\n').map((line) => line.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ''))
    expect(lines.slice(-4)).to.deep.equal(['Ask it:', 'node cli.js -C', '/tmp/lamplighter-demo-0 -r', ''])
    expect(lines).to.have.lengthOf(24)
  })

  it('begins anew when the terminal changes its size', () => {
    const screen = new FakeScreen(true)
    const view = showLamps(screen, { nameOf })
    view.lamp(change('102', 'off', 'idle'))
    view.close()
    const again = showLamps(screen, { nameOf })
    screen.resized?.()
    expect(screen.text).to.include('\x1b[2J\x1b[H')
    again.close()
    expect(screen.resized).to.equal(undefined)
  })

  it('is nothing at all where it is to be quiet', () => {
    const screen = new FakeScreen(true)
    const view = showLamps(screen, { quiet: true, nameOf })
    view.lamp(change('101', 'lit', 'in use'))
    view.said('Alice calls Zoë')
    view.close()
    expect(screen.text).to.equal('')
  })
})
