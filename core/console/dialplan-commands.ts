/** `dialplan show`: the hints as the files have them, whether somebody watches them or not. */
import { basename } from 'node:path'
import type { Dialplan } from '../conf/dialplan.ts'
import type { WrittenHint } from '../conf/dialplan-hint.ts'
import { CommandError, type ConsoleCommand } from './console.ts'

export function dialplanShow(dialplan: Dialplan): ConsoleCommand {
  return {
    words: 'dialplan show',
    args: '[[extension@]context]',
    help: 'Shows the hints that were read from extensions.conf, watched or not; core show hints those that are watched.',
    complete: () => [...dialplan.contexts.keys()],
    run: ([wanted = ''], out) => {
      const [exten, context] = extensionIn(wanted) ?? [undefined, wanted]
      const found = exten === undefined ? dialplan.contexts.get(context) : dialplan.written(context, exten)
      if (wanted !== '' && found === undefined)
        throw new CommandError(`the files have no ${exten === undefined ? 'context' : 'hint'} ${wanted}`)
      if (found && 'value' in found) {
        out.print(`[ Context '${found.context}' ]`)
        return out.print(lineOf(found))
      }
      for (const { name, exact, patterns, includes } of found ? [found] : dialplan.contexts.values()) {
        out.print(`[ Context '${name}' ]`)
        for (const hint of [...exact.values(), ...patterns.map((pattern) => pattern.hint)]) out.print(lineOf(hint))
        for (const include of includes) out.print(`  Include =>        '${include}'`)
      }
    },
  }
}

/** `104@lamps` as an extension and its context; undefined where there is no @. */
export function extensionIn(text: string): readonly [exten: string, context: string] | undefined {
  const at = text.lastIndexOf('@')
  return at < 0 ? undefined : [text.slice(0, at), text.slice(at + 1)]
}

function lineOf({ exten, value, file, line }: WrittenHint): string {
  return `${`  '${exten}' =>`.padEnd(19)} hint: ${value.padEnd(40)} [${basename(file)}:${line}]`
}
