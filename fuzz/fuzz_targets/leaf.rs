#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| keyglass_fuzz::run("leaf", data));

#[cfg(not(fuzzing))]
fn main() {
    keyglass_fuzz::replay("leaf");
}
