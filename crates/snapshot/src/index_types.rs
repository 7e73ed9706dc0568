//! Indices of a snapshot's records, a type for each table: an index of one table is not accepted for another.

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        ///
        /// Valid in the snapshot that it was taken from; another snapshot numbers its records anew.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(u32);

        impl $name {
            /// The record at this place of its table.
            #[inline]
            pub const fn new(index: u32) -> $name {
                $name(index)
            }

            /// The place in the table.
            #[inline]
            pub const fn get(self) -> u32 {
                self.0
            }
        }
    )*};
}

index_types! {
    /// A company's index.
    CompanyIdx,
    /// A channel's index.
    ChannelIdx,
    /// An organizational unit's index.
    OuIdx,
    /// A pool's index.
    PoolIdx,
    /// An account's index.
    AccountIdx,
    /// The index of a level of a chain.
    LevelIdx,
    /// The index of one pool at one level: an account's location in an answer.
    LevelPoolIdx,
    /// The index of a group of equal candidates.
    GroupIdx,
    /// The index of the record that says where a chain begins.
    ChainStartIdx,
}
