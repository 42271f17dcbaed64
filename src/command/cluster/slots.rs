//! Redis Cluster's slots: whose they are, and in which a key or shard channel is.
//!
//! Owns the arithmetic. Must not know instances.

/// Slots of a Redis Cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The slots, first and last, of one of `instances`. Sizes differ by one at most. There are fewer instances than slots.
pub(super) fn range_of(instance: usize, instances: usize) -> (u16, u16) {
    let start = |instance: usize| instance * usize::from(SLOTS) / instances;
    (start(instance) as u16, (start(instance + 1) - 1) as u16)
}

/// The slot of a key: of what stands in its first pair of braces, if there is anything. (Redis `keyHashSlot`.)
pub(super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_slot_is_one_instances_and_all_have_as_many() {
        for instances in 1..=65 {
            let mut next = 0;
            for instance in 0..instances {
                let (first, last) = range_of(instance, instances);
                assert_eq!(u32::from(first), next);
                let size = u32::from(last - first) + 1;
                let fair = u32::from(SLOTS) / instances as u32;
                assert!(size == fair || size == fair + 1, "{size} slots of {instances} instances");
                next = u32::from(last) + 1;
            }
            assert_eq!(next, u32::from(SLOTS));
        }
    }

    #[test]
    fn some_slots_that_redis_tells() {
        for (key, slot) in [
            ("", 0),
            ("foo", 12_182),
            ("foo{bar}", 5_061),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
            ("123456789", 12_739),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_slot_that_clients_find(key in "[a-c{}]{0,12}") {
            prop_assert_eq!(slot_of(key.as_bytes()), redis_protocol::redis_keyslot(key.as_bytes()));
        }
    }
}
