//! The rule under writers of every manner, in virtual time.
