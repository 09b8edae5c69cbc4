#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| keyglass_fuzz::run("answer_protobuf", data));

#[cfg(not(fuzzing))]
fn main() {
    keyglass_fuzz::replay("answer_protobuf");
}
