//! The types of record indices. Each table has its own type, so the compiler rejects an index of another
//! table.

macro_rules! index_types {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        ///
        /// Valid only for the snapshot that returned it, because every snapshot numbers its records anew.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(transparent)]
        pub struct $name(u32);

        impl $name {
            /// Creates the index of the record at this position of its table.
            #[inline]
            pub const fn new(index: u32) -> $name {
                $name(index)
            }

            /// Returns the position of the record in its table.
            #[inline]
            pub const fn get(self) -> u32 {
                self.0
            }
        }
    )*};
}

index_types! {
    /// Index of a company of the snapshot.
    CompanyIdx,
    /// Index of a channel of the snapshot.
    ChannelIdx,
    /// Index of an organizational unit (OU) of the snapshot.
    OuIdx,
    /// Index of a pool of the snapshot.
    PoolIdx,
    /// Index of an account of the snapshot.
    AccountIdx,
    /// Index of a level of a chain.
    LevelIdx,
    /// Index of a pool at a level, which is the location of an account in an answer.
    LevelPoolIdx,
    /// Index of a group of equal candidates.
    GroupIdx,
    /// Index of the record with the first level of a chain.
    ChainStartIdx,
}
