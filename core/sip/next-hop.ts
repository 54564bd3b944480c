/**
 * Answers of a proxy that does not get through to the next hop: 430 where its flow is gone (RFC 5626 5.3), and Kamailio's 477
 * and 478 where it could not send. They say nothing of whom the request was for.
 */
export const NOT_GOT_THROUGH: ReadonlySet<number> = new Set([430, 477, 478])
