/** One time for all files, so that a layer whose files did not change is the same layer in the next commit. Zip tools know no earlier one. */
export const fileTime = new Date('1980-01-01T00:00:00Z');
