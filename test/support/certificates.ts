/** Self-signed certificates in a directory of their own, made by the openssl program. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { removeDirectory, temporaryDirectory } from '../../bench/leftovers.ts'

export interface Certificate {
  readonly cert_file: string
  readonly priv_key_file: string
}

export class Certificates {
  readonly #directory = temporaryDirectory('lamplighter-certificates-')

  /** A certificate for 127.0.0.1, whose subject is `name`. Made again under the same name it replaces the files. */
  make(name: string, file = name, alternatives = 'IP:127.0.0.1,DNS:localhost'): Certificate {
    const cert_file = join(this.#directory, `${file}.crt`)
    const priv_key_file = join(this.#directory, `${file}.key`)
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'].concat(
        ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${alternatives}`],
        ['-keyout', priv_key_file, '-out', cert_file],
      ),
      { stdio: 'ignore' },
    )
    return { cert_file, priv_key_file }
  }

  /** A key of another kind than those of `make`. */
  makeRsaKey(name: string): string {
    const path = join(this.#directory, `${name}.key`)
    execFileSync('openssl', ['genrsa', '-out', path, '2048'], { stdio: 'ignore' })
    return path
  }

  remove(): void {
    removeDirectory(this.#directory)
  }
}
