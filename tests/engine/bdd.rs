//! Sets of IPv4 packets as binary decision diagrams, by a library that knows nothing of boxes.
//!
//! Only the five fields that most rules have. Ports are variables of every packet here: rules that name
//! ports name a protocol that has them, so it makes no difference.

use biodivine_lib_bdd::{Bdd, BddVariable, BddVariableSet};
use palisade::packet::{Constraint, Factor, Field, FieldBox, PacketSet, Values};

/// The variables of the five fields, the highest bit of each first.
pub struct Diagrams {
    variables: BddVariableSet,
}

/// The fields with their lengths in bits.
const FIELDS: [(Field, u16); 5] = [
    (Field::Source, 32),
    (Field::Destination, 32),
    (Field::Protocol, 8),
    (Field::SourcePort, 16),
    (Field::DestinationPort, 16),
];

impl Diagrams {
    pub fn new() -> Self {
        let bits = FIELDS.iter().map(|(_, bits)| bits).sum();
        Diagrams { variables: BddVariableSet::new_anonymous(bits) }
    }

    pub fn nothing(&self) -> Bdd {
        self.variables.mk_false()
    }

    pub fn set(&self, set: &PacketSet) -> Bdd {
        let mut union = self.variables.mk_false();
        for product in set.products() {
            let all = self.variables.mk_true();
            let factors = product.factors().iter();
            union = union.or(&factors.fold(all, |all, factor| all.and(&self.factor(factor))));
        }
        union
    }

    fn factor(&self, factor: &Factor) -> Bdd {
        let none = self.variables.mk_false();
        factor.boxes().iter().fold(none, |union, one| union.or(&self.field_box(one)))
    }

    fn field_box(&self, one: &FieldBox) -> Bdd {
        // The last fields first: diagrams are built from below.
        let all = self.variables.mk_true();
        one.constraints().iter().rev().fold(all, |all, one| self.constraint(one).and(&all))
    }

    fn constraint(&self, constraint: &Constraint) -> Bdd {
        let Values::Numbers(set) = constraint.values() else { panic!("only numbers") };
        let mut first = 0;
        let mut fields = FIELDS.iter();
        let bits = loop {
            let (field, bits) = fields.next().expect("one of the five fields");
            if *field == constraint.field() {
                break *bits;
            }
            first += bits;
        };
        let none = self.variables.mk_false();
        set.intervals().iter().fold(none, |union, (low, high)| {
            let from = self.compared(first, bits, *low, true);
            union.or(&from.and(&self.compared(first, bits, *high, false)))
        })
    }

    /// The numbers that are at least this one, or at most.
    fn compared(&self, first: u16, bits: u16, number: u128, at_least: bool) -> Bdd {
        let mut set = self.variables.mk_true();
        for bit in 0..bits {
            let variable = BddVariable::from_index(usize::from(first + bits - 1 - bit));
            let one = self.variables.mk_literal(variable, at_least);
            let is_one = number >> bit & 1 == 1;
            set = if is_one == at_least { one.and(&set) } else { one.or(&set) };
        }
        set
    }
}
