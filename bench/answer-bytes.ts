/** How many bytes the bare server answers. A header that the product does not know. */
export const ANSWER_BYTES = 'X-Answer-Bytes'
