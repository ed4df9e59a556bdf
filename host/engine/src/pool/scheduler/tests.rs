//! Who gets a slot, by tables and by many random steps.

use super::*;

/// Takes a slot, or waits under a name.
fn ask(pool: &mut Scheduler<&'static str>, share: usize, slots: u32, name: &'static str) -> bool {
    let taken = pool.try_take(share, slots);
    if !taken {
        assert!(pool.wait(share, slots, name).1.is_empty());
    }
    taken
}

/// How many single slots a share gets without waiting.
fn takes(pool: &mut Scheduler<&'static str>, share: usize) -> u32 {
    (0..).take_while(|_| pool.try_take(share, 1)).count() as u32
}

fn names(granted: Vec<Granted<&'static str>>) -> Vec<&'static str> {
    granted.into_iter().map(|it| it.waits).collect()
}

#[test]
fn one_service_alone_has_the_whole_pool() {
    let mut pool = Scheduler::new(1000);
    let alone = pool.join(1).0;
    assert_eq!(takes(&mut pool, alone), 1000);
}

#[test]
fn what_is_guaranteed_is_there_whatever_others_hold() {
    // Slots, services, and what is guaranteed to each.
    for (total, services, guarantee) in [
        (1000, 2, 125),
        (1000, 51, 4),
        (100, 5, 5),
        (8, 2, 1),
        (16_000, 1000, 4),
    ] {
        let mut pool = Scheduler::new(total);
        let shares: Vec<_> = (0..services).map(|_| pool.join(1).0).collect();
        // One after the other takes all that it can get, and gives nothing back.
        for share in &shares {
            let got = takes(&mut pool, *share);
            assert!(
                got >= guarantee,
                "{got} of {total} slots for one of {services} services"
            );
        }
    }
}

#[test]
fn fifty_greedy_services_leave_the_modest_one_its_guarantee() {
    let mut pool = Scheduler::new(1000);
    let modest = pool.join(1).0;
    let greedy: Vec<_> = (0..50).map(|_| pool.join(1).0).collect();
    for share in &greedy {
        for _ in 0..100 {
            ask(&mut pool, *share, 1, "greedy");
        }
    }
    // They borrow all that is not guaranteed.
    assert_eq!(pool.free(), 4);
    for _ in 0..1000 {
        assert!(pool.try_take(modest, 1));
        assert_eq!(names(pool.give_back(modest, 1)), Vec::<&str>::new());
    }
    // Beyond its guarantee it has its turn among those that hold no more than it does, long before all the others that wait.
    assert_eq!(takes(&mut pool, modest), 4);
    ask(&mut pool, modest, 1, "modest");
    let place = (0..).find(|_| names(pool.give_back(greedy[0], 1)) == ["modest"]);
    assert!(place.is_some_and(|it| it < 50), "{place:?}");
}

#[test]
fn with_more_services_than_the_reserve_has_slots_it_is_for_those_that_have_none() {
    let mut pool = Scheduler::new(100);
    let shares: Vec<_> = (0..1000).map(|_| pool.join(1).0).collect();
    assert_eq!(takes(&mut pool, shares[0]), 76);
    for share in &shares[1..25] {
        assert!(pool.try_take(*share, 1));
    }
    assert!(!ask(&mut pool, shares[0], 1, "greedy"));
    assert!(!ask(&mut pool, shares[30], 1, "modest"));
    assert_eq!(names(pool.give_back(shares[0], 1)), ["modest"]);
}

#[test]
fn slots_go_to_whoever_has_the_least_for_its_weight() {
    let mut pool = Scheduler::new(40);
    let (light, heavy) = (pool.join(1).0, pool.join(3).0);
    while pool.free() > 0 {
        let share = if pool.try_take(light, 1) { light } else { heavy };
        assert!(share == light || pool.try_take(heavy, 1));
    }
    for _ in 0..100 {
        ask(&mut pool, light, 1, "light");
        ask(&mut pool, heavy, 1, "heavy");
    }
    // Both give back what they hold, in turn; what each then has is by weight.
    for _ in 0..100 {
        for share in [light, heavy] {
            for name in names(pool.give_back(share, 1)) {
                ask(&mut pool, if name == "light" { light } else { heavy }, 1, name);
            }
        }
    }
    let held = |share: usize| pool.shares[share].as_ref().expect("a share").held;
    assert_eq!((held(light), held(heavy)), (10, 30));
}

#[test]
fn of_one_service_the_first_to_come_is_the_first_to_go() {
    let mut pool = Scheduler::new(1);
    let share = pool.join(1).0;
    assert!(ask(&mut pool, share, 1, "first"));
    for name in ["second", "third", "fourth"] {
        assert!(!ask(&mut pool, share, 1, name));
    }
    let third = 2;
    assert_eq!(names(pool.cancel(share, third)), Vec::<&str>::new());
    assert_eq!(names(pool.give_back(share, 1)), ["second"]);
    assert_eq!(names(pool.give_back(share, 1)), ["fourth"]);
    assert_eq!(names(pool.give_back(share, 1)), Vec::<&str>::new());
    assert_eq!(pool.free(), 1);
}

#[test]
fn one_with_many_memories_is_passed_by_guaranteed_ones_alone_and_gets_its_turn() {
    let mut pool = Scheduler::new(40);
    let (large, small, greedy) = (pool.join(1).0, pool.join(1).0, pool.join(1).0);
    let borrowed = takes(&mut pool, greedy);
    assert_eq!(borrowed, 34);
    assert!(!ask(&mut pool, large, 30, "large"));
    // Within its guarantee of 3, it waits for nobody.
    assert!(!pool.try_take(small, 1));
    assert_eq!(names(pool.wait(small, 1, "small").1), ["small"]);
    ask(&mut pool, greedy, 1, "greedy");
    let mut order = Vec::new();
    for _ in 0..borrowed {
        order.extend(names(pool.give_back(greedy, 1)));
    }
    let place = |name| order.iter().position(|it| *it == name);
    assert!(place("large") < place("greedy"), "{order:?}");
    assert!(place("large").is_some(), "{order:?}");
}

#[test]
fn a_service_that_comes_or_goes_changes_what_others_may_borrow() {
    let mut pool = Scheduler::new(40);
    let one = pool.join(1).0;
    assert_eq!(takes(&mut pool, one), 40);
    let other = pool.join(1).0;
    assert!(!ask(&mut pool, one, 1, "one"));
    assert!(!ask(&mut pool, other, 1, "other"));
    assert_eq!(names(pool.give_back(one, 1)), ["other"]);
    // Now the rest of its guarantee fills up before anybody borrows.
    for _ in 0..4 {
        assert_eq!(names(pool.give_back(one, 1)), Vec::<&str>::new());
    }
    assert_eq!(names(pool.give_back(one, 1)), ["one"]);
    pool.give_back(other, 1);
    ask(&mut pool, one, 1, "last");
    assert_eq!(names(pool.leave(other)), ["last"]);
}

/// A generator of numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    fn small(&mut self, most: u32) -> u32 {
        u32::try_from(self.below(most.into())).expect("below a u32")
    }

    fn place<T>(&mut self, of: &[T]) -> usize {
        usize::try_from(self.below(of.len() as u64)).expect("below a usize")
    }
}

/// A pool whose shares do something at random.
struct Random {
    numbers: Numbers,
    total: u32,
    pool: Scheduler<(usize, u32)>,
    shares: Vec<usize>,
    /// Slots that are held, by their share.
    held: Vec<(usize, u32)>,
    /// Tickets that wait; their shares, and the steps in which they began to.
    waiting: Vec<(u64, (usize, u32))>,
}

impl Random {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        let total = 4 + numbers.small(60);
        Self {
            numbers,
            total,
            pool: Scheduler::new(total),
            shares: Vec::new(),
            held: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn step(&mut self, step: u32) {
        let granted = match self.numbers.below(10) {
            0 if self.shares.len() < 20 => {
                let (share, granted) = self.pool.join(1 + self.numbers.small(3));
                self.shares.push(share);
                granted
            }
            1..=4 if !self.shares.is_empty() => self.ask(step),
            5 if !self.waiting.is_empty() => {
                let place = self.numbers.place(&self.waiting);
                let (ticket, (share, _)) = self.waiting.swap_remove(place);
                self.pool.cancel(share, ticket)
            }
            _ if !self.held.is_empty() => {
                let (share, slots) = self.held.swap_remove(self.numbers.place(&self.held));
                self.pool.give_back(share, slots)
            }
            _ => Vec::new(),
        };
        self.granted(granted);
    }

    fn ask(&mut self, step: u32) -> Vec<Granted<(usize, u32)>> {
        let share = self.shares[self.numbers.place(&self.shares)];
        let slots = 1 + self.numbers.small(self.total.min(3));
        if self.pool.try_take(share, slots) {
            self.held.push((share, slots));
            return Vec::new();
        }
        let (ticket, granted) = self.pool.wait(share, slots, (share, step));
        self.waiting.push((ticket, (share, step)));
        granted
    }

    fn granted(&mut self, granted: Vec<Granted<(usize, u32)>>) {
        for Granted { slots, waits } in granted {
            let place = self.waiting.iter().position(|(_, it)| *it == waits);
            self.waiting.swap_remove(place.expect("it waited"));
            self.held.push((waits.0, slots));
        }
    }
}

#[test]
fn whatever_happens_slots_add_up_and_nobody_waits_who_need_not() {
    for seed in 1..=50 {
        let mut it = Random::new(seed);
        for step in 0..2000 {
            it.step(step);
            let all: u32 = it.held.iter().map(|(_, slots)| slots).sum();
            assert_eq!(it.pool.free(), it.total - all, "seed {seed}, step {step}");
            assert!(it.pool.dispatch().is_empty(), "seed {seed}, step {step}");
            assert_eq!(it.pool.is_wanted(), !it.waiting.is_empty());
        }
        // Once all is given back, everybody who waits has a turn.
        while let Some((share, slots)) = it.held.pop() {
            let granted = it.pool.give_back(share, slots);
            it.granted(granted);
        }
        assert!(it.waiting.is_empty(), "seed {seed}: {:?}", it.waiting);
        assert_eq!(it.pool.free(), it.total);
    }
}
