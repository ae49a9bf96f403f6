// Which network addresses a URL that arrived as data may reach: public ones, and those allowed by name.
// Every address of a host is judged, and the connection goes to a judged address: a second DNS answer
// cannot differ.
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

export type Guard = {
  /** Why this URL may not be called, or null. Judges its spelling; names are judged by `lookup`. */
  refusal(url: URL): string | null
  /** Resolves a name for a connection; fails with code `EBLOCKED` unless every address may be reached. */
  lookup: LookupFunction
}

/** Every address of a name. */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

type Ip = ipaddr.IPv4 | ipaddr.IPv6

/** All of IPv6 that is assigned to public use so far (RFC 4291, IANA). */
const publicIpv6 = ipaddr.parseCIDR('2000::/3')
/** The well-known NAT64 prefix (RFC 6052); those of RFC 8215 are local and wrap what only their network knows. */
const nat64 = ipaddr.parseCIDR('64:ff9b::/96')

/** An IPv6 address that only wraps an IPv4 one is judged by what it wraps. */
const unwrapped = (ip: Ip): Ip => {
  if (ip.kind() === 'ipv4') return ip
  const six = ip as ipaddr.IPv6
  const bytes = six.toByteArray()
  const inner = (from: number, mask = 0) =>
    new ipaddr.IPv4(
      bytes.slice(from, from + 4).map((byte) => byte ^ mask) as [number, number, number, number],
    )
  switch (six.range()) {
    case 'ipv4Mapped':
      return six.toIPv4Address()
    case 'rfc6052':
      return six.match(nat64) ? inner(12) : six
    case '6to4':
      return inner(2)
    case 'teredo':
      return inner(12, 0xff)
    default:
      return ip
  }
}

const stripped = (hostname: string): string =>
  hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()

const isPublic = (ip: Ip): boolean =>
  ip.range() === 'unicast' && (ip.kind() === 'ipv4' || ip.match(publicIpv6))

const shortest = (address: string): string => ipaddr.parse(address).toString()

const label = '[a-z\\d_](?:[a-z\\d_-]{0,61}[a-z\\d_])?'
/** As a URL spells a host: its last part is no number, which would make it an address. */
const hostName = new RegExp(`^(?:${label}\\.)*(?!\\d+\\.?$|0x)${label}\\.?$`, 'i')

/** Whether `createGuard` can allow this: a CIDR, an address with all its parts, or the name of one host. */
export const isAllowable = (entry: string): boolean => {
  const address = entry.replace(/^\[(.*)\]$/, '$1')
  return (
    ipaddr.IPv4.isValidFourPartDecimal(address) ||
    ipaddr.IPv4.isValidCIDRFourPartDecimal(entry) ||
    ipaddr.IPv6.isValid(address) ||
    ipaddr.IPv6.isValidCIDR(entry) ||
    hostName.test(entry)
  )
}

/**
 * `allow` takes CIDRs such as `10.1.0.0/16`, single addresses, and exact host names. `resolve` is the system's
 * resolver by default, hosts file included.
 */
export const createGuard = (allow: readonly string[] = [], resolve: Resolve = systemLookup): Guard => {
  const ranges = allow.filter((entry) => ipaddr.isValidCIDR(entry)).map((entry) => ipaddr.parseCIDR(entry))
  const hosts = new Set(allow.map(stripped).map((host) => (ipaddr.isValid(host) ? shortest(host) : host)))

  const mayReach = (address: string): boolean => {
    if (!ipaddr.isValid(address)) return false
    const ip = unwrapped(ipaddr.parse(address))
    if (isPublic(ip) || hosts.has(ip.toString())) return true
    return ranges.some(([base, bits]) => base.kind() === ip.kind() && ip.match(base, bits))
  }

  return {
    refusal: (url) => {
      if (url.protocol !== 'http:' && url.protocol !== 'https:') return `${url.protocol} is not http or https`
      const host = stripped(url.hostname)
      if (hosts.has(host)) return null
      if (ipaddr.isValid(host)) return mayReach(host) ? null : 'its address is not public'
      return host === 'localhost' || host.endsWith('.localhost') ? 'its host is this machine' : null
    },
    lookup: (hostname, options, callback) => {
      resolve(hostname, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, [])
        const failed = (code: string, message: string) =>
          callback(Object.assign(new Error(message), { code }), [])
        if (addresses.length === 0) return failed('ENOTFOUND', 'the name has no address')
        // Which one is not told: who gave us the name may not know our network.
        if (!hosts.has(stripped(hostname)) && !addresses.every(({ address }) => mayReach(address)))
          return failed('EBLOCKED', 'an address of its name is not public')
        if (options.all) return callback(null, addresses)
        callback(null, addresses[0]!.address, addresses[0]!.family)
      })
    },
  }
}
