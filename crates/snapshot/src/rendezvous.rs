//! The arithmetic of the pick: weighted rendezvous hashing (highest random weight). The arithmetic uses
//! integers, so the result is the same on every machine, and it does not scan a large group.
//!
//! For each pair of a client and an account, a hash gives an exponential variate `x = -ln(u)`. The account
//! with the smallest `x / weight` wins. The shares of clients therefore follow the weights. If an account is
//! added or removed, only the clients that it gains or loses move, because no variate depends on another
//! account.
//!
//! Plain rendezvous hashing must compute the variate of every candidate. Here `64 · x` has two parts:
//!
//! * The integer part is the *pass*, computed from the hash of the client and the account, as usual.
//! * The fraction is the *position* of the account's *cell*, divided by the number of cells. The id of an
//!   account falls into one of 4,096 cells, and each client and pass has its own order of the cells.
//!
//! The order is an affine permutation, so it can be followed from its beginning. To find the winner for a
//! client, the pick visits cells in this order until a cell contains an account whose pass is 0. With 10,000
//! accounts of one weight, it visits 26 cells. In a small group, the pick computes the same variate for every
//! member, so the size of the group does not change the result.
//!
//! The cost is precision. Two accounts with the same cell and pass have equal variates, and their hashes
//! decide. Such accounts take clients from each other slightly more often than from others. The relative
//! standard deviation of an account's share is √(n/4096)/128: 0.1 % in a group of 100, 0.4 % in one of 1,000,
//! and 1.2 % in one of 10,000. See `docs/decisions/0001-rendezvous-pick.md`.

use xxhash_rust::xxh3::xxh3_64;

/// The number of cells into which ids fall.
pub const CELLS: u32 = 1 << 12;
/// The number of passes in one unit of the exponential variate.
const PASSES: u64 = 64;
/// The minimum size of a class that has a directory of cells. Smaller classes are scanned. At this size, a
/// scan costs about as much as visiting cells (4096 · 64 / n cells for n accounts).
pub const MIN_CELLED_CLASS: usize = 512;

/// Returns the hash of an account's id, which is XXH3-64.
#[inline]
pub fn id_hash(id: &[u8]) -> u64 {
    xxh3_64(id)
}

/// Returns the cell into which an id falls, from the upper bits of its hash.
#[inline]
pub fn cell(id_hash: u64) -> u32 {
    (id_hash >> 52) as u32
}

/// The seed of a client: the hash of the `client` field, or of the E.164 digits of the `phone` field. Every
/// draw of the client depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

/// The draw of an account for a client. The smallest draw wins, after division by the weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// The variate in units of 1 / (64 · 4096 · 2). Always odd, which is the middle of the cell's interval.
    ticks: u64,
    /// The hash that decides between draws with equal ticks.
    tie: u64,
    weight: u16,
}

/// The order of the cells for a client and a pass: `position = a · cell + b` modulo the number of cells.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    a: u32,
    b: u32,
}

impl Seed {
    /// Returns the seed of a `client` field, or of the E.164 digits of a phone number.
    #[inline]
    pub fn from_key(key: &[u8]) -> Seed {
        Seed(xxh3_64(key))
    }

    /// Returns the hash of this client and an account. It is uniform, and the draw is computed from it.
    #[inline]
    pub fn mix(self, id_hash: u64) -> u64 {
        finalize(self.0 ^ id_hash)
    }

    /// Returns the order of the cells for this client and a pass.
    #[inline]
    pub fn order(self, pass: u64) -> Order {
        let bits = finalize(self.0.wrapping_add((pass + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Order { a: bits as u32 | 1, b: (bits >> 32) as u32 }
    }

    /// Returns the draw of an account for this client.
    #[inline]
    pub fn draw(self, id_hash: u64, weight: u16) -> Draw {
        let mixed = self.mix(id_hash);
        let pass = pass(mixed);
        let position = self.order(pass).position(cell(id_hash));
        Draw::new(pass, position, mixed, weight)
    }
}

impl Order {
    /// Returns the position of a cell in this order, from 0.
    #[inline]
    pub fn position(self, cell: u32) -> u32 {
        self.a.wrapping_mul(cell).wrapping_add(self.b) % CELLS
    }

    /// Returns all cells in this order.
    #[inline]
    pub fn cells(self) -> impl Iterator<Item = u32> {
        // Newton's iteration doubles the number of correct low bits of the inverse: 3, 6, 12.
        let inverse = |a: u32| {
            let two = |x: u32| x.wrapping_mul(2u32.wrapping_sub(a.wrapping_mul(x)));
            two(two(a))
        };
        let step = inverse(self.a);
        let first = step.wrapping_mul(0u32.wrapping_sub(self.b));
        (0..CELLS).map(move |position| first.wrapping_add(position.wrapping_mul(step)) % CELLS)
    }
}

impl Draw {
    /// Creates the draw from a pass, a position in the pass, and the hash of client and account.
    #[inline]
    pub fn new(pass: u64, position: u32, mixed: u64, weight: u16) -> Draw {
        Draw { ticks: (pass * u64::from(CELLS) + u64::from(position)) * 2 + 1, tie: mixed, weight }
    }

    /// Returns whether this draw wins against the other one. Cannot overflow: ticks are below 2^25, weights
    /// below 2^10.
    #[inline]
    pub fn beats(self, other: Draw) -> bool {
        let (mine, theirs) = (self.ticks * u64::from(other.weight), other.ticks * u64::from(self.weight));
        mine < theirs || (mine == theirs && self.tie > other.tie)
    }
}

/// Returns the pass of a hash: `⌊64 · -ln(u)⌋` for `u = (hash | 1) / 2^64`, from 0 to 2,839.
#[inline]
pub fn pass(hash: u64) -> u64 {
    (negative_ln(hash) * PASSES) >> 32
}

/// Returns a bound. Every hash below the bound has a higher pass than this hash. The reason: a pass covers
/// 1/64 of `-ln(u)`, and `-ln(1 - 1/64)` exceeds 1/64 by 1/8127, which is far more than the error of
/// [`pass`].
#[inline]
pub fn same_pass_bound(hash: u64) -> u64 {
    hash.saturating_sub((hash >> 6) + 1)
}

/// Mixes the bits of a number with the 64-bit finalizer of Murmur3. Every input bit affects every output bit.
#[inline]
fn finalize(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Returns `-ln((hash | 1) / 2^64)` in units of 2^-32, with an error of at most 64 units.
#[allow(clippy::indexing_slicing, reason = "an index of eight bits is inside a table of 256")]
#[inline]
fn negative_ln(hash: u64) -> u64 {
    const LN_2: u64 = 2_977_044_472; // ln 2 · 2^32, rounded
    let hash = hash | 1;
    let zeros = hash.leading_zeros();
    let fraction = (hash << zeros) << 1; // x of u = 2^-(zeros + 1) · (1 + x), in units of 2^-64
    let at = (fraction >> 56) as usize;
    let rest = fraction << 8 >> 32; // x - at/256 in units of 2^-40, below 2^32
    // ln(1 + x) = ln(1 + at/256) + ln(1 + y), where y = (x - at/256) / (1 + at/256) < 1/256
    let y = (rest * RECIPROCAL[at]) >> 40; // units of 2^-32
    let square = (y * y) >> 32;
    let ln = LN[at] + y - square / 2 + ((square * y) >> 32) / 3;
    (u64::from(zeros + 1) * LN_2).saturating_sub(ln)
}

/// The table of `ln(1 + i/256)` in units of 2^-32.
static LN: [u64; 256] = logarithms();
/// The table of `1 / (1 + i/256)` in units of 2^-32.
static RECIPROCAL: [u64; 256] = reciprocals();

/// Computes the table with `ln(1 + v) = 2 · artanh(v / (2 + v))`. For v < 1, the 24th term is below 2^-70.
/// The table is the same on every machine, because the compiler evaluates it with IEEE arithmetic.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time: a wrong index fails the build")]
const fn logarithms() -> [u64; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let v = i as f64 / 256.0;
        let s = v / (2.0 + v);
        let (mut power, mut sum, mut k) = (s, 0.0, 0);
        while k < 24 {
            sum += power / (2 * k + 1) as f64;
            power *= s * s;
            k += 1;
        }
        table[i] = (2.0 * sum * 4_294_967_296.0 + 0.5) as u64;
        i += 1;
    }
    table
}

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time: a wrong index fails the build")]
const fn reciprocals() -> [u64; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = (1u64 << 40) / (256 + i as u64);
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_is_within_64_units_of_the_real_one() {
        let mut hash = 1u64;
        for _ in 0..100_000 {
            hash = finalize(hash.wrapping_add(0x9e37_79b9_7f4a_7c15));
            for shift in [0, 3, 17, 40, 60] {
                let h = (hash >> shift) | 1;
                let real = -((h as f64) / 2f64.powi(64)).ln() * 4_294_967_296.0;
                assert!((negative_ln(h) as f64 - real).abs() <= 64.0, "{h:#x}");
            }
        }
        assert_eq!((pass(u64::MAX), pass(0)), (0, 2839));
    }

    #[test]
    fn hashes_below_the_bound_have_a_higher_pass() {
        let mut hash = 1u64;
        for _ in 0..100_000 {
            hash = finalize(hash.wrapping_add(0x9e37_79b9_7f4a_7c15));
            for shift in [0, 3, 17, 40, 60] {
                let h = hash >> shift;
                if let Some(below) = same_pass_bound(h).checked_sub(1) {
                    assert!(pass(below) > pass(h), "{h:#x}");
                    assert!(pass(below / 2) > pass(h), "{h:#x}");
                }
            }
        }
        assert!(pass(same_pass_bound(u64::MAX) - 1) > 0);
    }

    #[test]
    fn order_is_a_permutation_and_its_cells_follow_it() {
        for key in 0..64u64 {
            let order = Seed(finalize(key)).order(key % 5);
            let cells: Vec<u32> = order.cells().collect();
            for (position, &cell) in cells.iter().enumerate() {
                assert_eq!(order.position(cell) as usize, position);
            }
            assert_eq!(cells.len(), CELLS as usize);
        }
    }
}
