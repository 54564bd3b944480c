/** The certificate files of a TLS transport, read and checked. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls'
import type { TransportConfig } from '../endpoints.ts'
import { reasonOf } from '../log.ts'
import { ConfigError } from '../options.ts'

const VERSIONS: ReadonlyMap<string, SecureVersion> = new Map([
  ['', 'TLSv1.2'],
  ['default', 'TLSv1.2'],
  ['unspecified', 'TLSv1.2'],
  ['tlsv1_2', 'TLSv1.2'],
  ['tlsv1_3', 'TLSv1.3'],
])

/** Throws ConfigError where a file cannot be read or is not what it should be. */
export function readCertificates(config: TransportConfig): SecureContextOptions {
  const minVersion = VERSIONS.get(config.method.toLowerCase())
  if (minVersion === undefined) {
    throw new ConfigError(
      `method = '${config.method}' in [${config.id}] is not valid, expected tlsv1_2 or tlsv1_3`,
      config,
    )
  }
  if (config.cert_file === '') {
    throw new ConfigError(`[${config.id}] has protocol=tls and needs cert_file (and priv_key_file)`, config)
  }
  const cert = read('cert_file', config.cert_file, config)
  // Asterisk, too, looks for the key in the certificate's file where none is named.
  const key = config.priv_key_file === '' ? cert : read('priv_key_file', config.priv_key_file, config)
  const ca = config.ca_list_file === '' ? undefined : read('ca_list_file', config.ca_list_file, config)
  if (ca && (config.verify_client || config.verify_server) && !isPemCertificate(ca))
    throw new ConfigError(`ca_list_file of [${config.id}] has no certificate in it, expected a PEM file`, config)
  const ciphers = config.cipher === '' ? undefined : config.cipher.replaceAll(/[,\s]+/g, ':')
  if (!isUsable({ ciphers })) {
    throw new ConfigError(
      `cipher = '${config.cipher}' in [${config.id}] is not valid, expected names of openssl ciphers with commas between them`,
      config,
    )
  }
  const options: SecureContextOptions = { cert, key, ca, minVersion, ciphers }
  try {
    createSecureContext(options)
    // OpenSSL compares keys of one kind only: a key of RSA beside a certificate for one of EC, and no peer finds a cipher.
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error('key type mismatch')
  } catch (error) {
    const expected = expectedOf(cert, key)
    throw new ConfigError(
      `the certificate or key of [${config.id}] cannot be used: ${reasonOf(error)}, expected ${expected}`,
      config,
    )
  }
  return options
}

/** OpenSSL takes a list with nothing in it, and then no peer is trusted. */
function isPemCertificate(content: Buffer): boolean {
  if (!content.includes('-----BEGIN')) return false
  try {
    return new X509Certificate(content).raw.length > 0
  } catch {
    return false
  }
}

/** OpenSSL says neither which of the files it means, nor what it misses there. */
function expectedOf(cert: Buffer, key: Buffer): string {
  if (!isUsable({ cert })) return 'a PEM certificate in cert_file'
  if (isUsable({ key })) return 'the key of that certificate'
  return key.includes('ENCRYPTED') ? 'a key without a password' : 'a PEM key in priv_key_file'
}

function isUsable(parts: SecureContextOptions): boolean {
  try {
    createSecureContext(parts)
    return true
  } catch {
    return false
  }
}

function read(option: string, path: string, config: TransportConfig): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new ConfigError(`${option} of [${config.id}] cannot be read: ${reasonOf(error)}`, config)
  }
}
