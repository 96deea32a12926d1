/** Percent off for many pieces of one product: the highest step that the quantity reaches. */
const quantitySteps = [
  { from: 100, percent: 15 },
  { from: 50, percent: 10 },
  { from: 10, percent: 5 },
];

export const freeShippingFrom = 10_000;
export const shippingCents = 690;

/** Cents of one line of the cart, rounded down in the customer's favour. */
export function lineTotal(cents, quantity) {
  const percent = quantitySteps.find((step) => quantity >= step.from)?.percent ?? 0;
  return Math.floor((cents * quantity * (100 - percent)) / 100);
}

/** Cents for shipping a cart worth `cents`; nothing is shipped for an empty one. */
export function shipping(cents) {
  return cents === 0 || cents >= freeShippingFrom ? 0 : shippingCents;
}

/** `1290` → `12.90 €` */
export function format(cents) {
  return `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')} €`;
}
