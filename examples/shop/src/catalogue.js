/** What the shop sells. Prices in cents, so that no sum is ever rounded by accident. */
export const products = Object.freeze([
  { id: 'crate', name: 'Wooden crate', category: 'packing', cents: 1290 },
  { id: 'pallet', name: 'Pallet', category: 'packing', cents: 2450 },
  { id: 'rope', name: 'Rope, 20 m', category: 'packing', cents: 899 },
  { id: 'label', name: 'Labels, 100', category: 'paper', cents: 550 },
  { id: 'waybill', name: 'Waybill pad', category: 'paper', cents: 320 },
  { id: 'seal', name: 'Lead seal', category: 'paper', cents: 75 },
  { id: 'trolley', name: 'Sack trolley', category: 'tools', cents: 7900 },
  { id: 'gloves', name: 'Work gloves', category: 'tools', cents: 1150 },
]);

/** @returns the product, or undefined */
export function findProduct(id) {
  return products.find((product) => product.id === id);
}

/** Products of a category and with a word in their name; each filter may be left out. */
export function search({ category, text } = {}) {
  const needle = text?.trim().toLowerCase();
  return products.filter(
    (product) => (category === undefined || product.category === category) && (!needle || product.name.toLowerCase().includes(needle)),
  );
}
