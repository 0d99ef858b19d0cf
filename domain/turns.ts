/**
 * A queue of waiting items that serves its keys (users, for example) in turn: the first item of each key, then the
 * second of each.
 */
export interface Turns<T> {
  add: (key: string, item: T) => void;
  /** Removes the next item and returns it. */
  take: () => T | undefined;
  /** Removes an item that does not wait any more. */
  remove: (key: string, item: T) => void;
  /** Removes all items and returns them in their turns. */
  clear: () => T[];
  size: () => number;
}

export function createTurns<T>(): Turns<T> {
  // a key moves to the end of the map when it has had its turn
  const waiting = new Map<string, T[]>();
  let size = 0;
  const take = (): T | undefined => {
    const [next] = waiting;
    if (!next) return undefined;
    const [key, items] = next;
    const item = items.shift();
    waiting.delete(key);
    if (items.length > 0) waiting.set(key, items);
    size--;
    return item;
  };
  return {
    add(key, item) {
      const items = waiting.get(key);
      if (items) items.push(item);
      else waiting.set(key, [item]);
      size++;
    },
    take,
    remove(key, item) {
      const items = waiting.get(key) ?? [];
      const at = items.indexOf(item);
      if (at < 0) return;
      items.splice(at, 1);
      size--;
      if (items.length === 0) waiting.delete(key);
    },
    clear() {
      const all: T[] = [];
      while (size > 0) all.push(take() as T); // `size` counts what is in the map
      return all;
    },
    size: () => size,
  };
}
