// What an order costs. What there is to buy, and for how much, the catalog knows, which is a component in another language.

import { find } from 'example:shop/catalog@1.0.0';

/** From this many of one thing on, a tenth is off. */
const MANY = 10;

export const prices = {
  charge(order) {
    let discount = 0;
    const lines = order.map(({ name, count }) => {
      const item = find(name);
      // What is thrown is the error that the interface declares.
      if (item === undefined) throw `there is no ${name}`;
      if (count < 1 || count > 1000) throw `${count} is no number of ${name} that we sell`;
      const cents = item.cents * count;
      if (count >= MANY) discount += Math.floor(cents / 10);
      return { count, name, cents };
    });
    const sum = lines.reduce((sum, line) => sum + line.cents, 0);
    return { lines, discount, total: sum - discount };
  },

  language: () => `JavaScript, in which [] + {} is ${[] + {}}`,
};
