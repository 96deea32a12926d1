/** On a paper that is a later look at its image: when it was recorded (RFC 3339). A newer one takes its place, and the collection of the registry takes the old. */
export const lookAnnotation = 'dev.waybill.look';
