//! The tree that an owner's zones form: no cycles, bounded depth.

use std::collections::HashMap;

use super::ZoneId;

/// Zones are nested at most so deep: a property, a building, a floor, a flat, a room and
/// what stands in it, with room to spare.
pub const MAX_ZONE_DEPTH: usize = 8;

/// Why a zone cannot lie where it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneTreeError {
    /// The new parent is the zone itself or lies within it.
    #[error("a zone cannot lie within itself: choose a parent outside of it")]
    Cycle,
    /// Too many levels.
    #[error("zones would be nested {0} deep: expected at most {MAX_ZONE_DEPTH}")]
    TooDeep(usize),
}

/// An owner's zones, as far as they lie within each other.
#[derive(Clone, Debug, Default)]
pub struct ZoneTree(HashMap<ZoneId, Option<ZoneId>>);

impl FromIterator<(ZoneId, Option<ZoneId>)> for ZoneTree {
    fn from_iter<I: IntoIterator<Item = (ZoneId, Option<ZoneId>)>>(zones: I) -> Self {
        Self(zones.into_iter().collect())
    }
}

impl ZoneTree {
    /// Whether `zone`, new or not, may lie within `parent`.
    pub fn check(&self, zone: ZoneId, parent: Option<ZoneId>) -> Result<(), ZoneTreeError> {
        let above = self.path(parent);
        if above.contains(&zone) {
            return Err(ZoneTreeError::Cycle);
        }
        let depth = above.len() + self.height(zone);
        if depth > MAX_ZONE_DEPTH {
            return Err(ZoneTreeError::TooDeep(depth));
        }
        Ok(())
    }

    /// A zone and what it lies within, from the inside out; ends on a cycle, should there
    /// be one.
    fn path(&self, from: Option<ZoneId>) -> Vec<ZoneId> {
        let mut path = Vec::new();
        let mut next = from;
        while let Some(zone) = next
            && !path.contains(&zone)
        {
            path.push(zone);
            next = self.0.get(&zone).copied().flatten();
        }
        path
    }

    /// How many levels a zone spans, itself included.
    fn height(&self, zone: ZoneId) -> usize {
        self.0
            .keys()
            .filter_map(|it| self.path(Some(*it)).iter().position(|above| *above == zone))
            .max()
            .map_or(1, |distance| distance + 1)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn zone(n: u128) -> ZoneId {
        ZoneId(Uuid::from_u128(n))
    }

    /// 1 > 2 > … > n.
    fn chain(n: u128) -> ZoneTree {
        (1..=n)
            .map(|it| (zone(it), (it > 1).then(|| zone(it - 1))))
            .collect()
    }

    #[test]
    fn a_zone_does_not_lie_within_itself() {
        let tree = chain(3);
        assert_eq!(
            tree.check(zone(1), Some(zone(3))),
            Err(ZoneTreeError::Cycle)
        );
        assert_eq!(
            tree.check(zone(2), Some(zone(2))),
            Err(ZoneTreeError::Cycle)
        );
        assert_eq!(tree.check(zone(3), Some(zone(1))), Ok(()));
        assert_eq!(tree.check(zone(3), None), Ok(()));
    }

    #[test]
    fn eight_levels_are_enough_and_all() {
        assert_eq!(chain(7).check(zone(99), Some(zone(7))), Ok(()));
        assert_eq!(
            chain(8).check(zone(99), Some(zone(8))),
            Err(ZoneTreeError::TooDeep(9))
        );
        // What lies within the moved zone counts too.
        let mut tree = chain(6);
        tree.0
            .extend([(zone(20), None), (zone(21), Some(zone(20)))]);
        assert_eq!(tree.check(zone(20), Some(zone(6))), Ok(()));
        tree.0.insert(zone(22), Some(zone(21)));
        assert_eq!(
            tree.check(zone(20), Some(zone(6))),
            Err(ZoneTreeError::TooDeep(9))
        );
    }

    proptest::proptest! {
        #[test]
        fn allowed_moves_never_make_a_cycle(moves in proptest::collection::vec((1..12_u128, 0..12_u128), 0..60)) {
            let mut tree = ZoneTree::default();
            for (child, parent) in moves {
                let parent = (parent > 0).then(|| zone(parent));
                if let Some(parent) = parent {
                    tree.0.entry(parent).or_insert(None);
                }
                if tree.check(zone(child), parent).is_ok() {
                    tree.0.insert(zone(child), parent);
                }
                for it in tree.0.keys() {
                    let path = tree.path(Some(*it));
                    let root = path.last().copied();
                    proptest::prop_assert_eq!(root.and_then(|it| tree.0[&it]), None);
                    proptest::prop_assert!(path.len() <= MAX_ZONE_DEPTH);
                }
            }
        }
    }
}
