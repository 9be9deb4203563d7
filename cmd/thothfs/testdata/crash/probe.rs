struct Sensor<T> { last: Option<T> }
impl<T: Copy> Sensor<T> {
    #[inline(never)]
    fn read(&self) -> T { self.last.unwrap() }
}
#[inline(never)]
fn sample(s: &Sensor<i32>) -> i32 { s.read() + 1 }
#[inline(never)]
fn nth(list: &[i32], i: usize) -> i32 { list[i] + 1 }
#[inline(never)]
fn scan(list: &[i32]) -> i32 { nth(list, list.len() + 3) + 1 }
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n = match args[1].as_str() {
        "unwrap" => sample(&Sensor { last: None }),
        _ => scan(&[1, 2, 3]),
    };
    println!("{}", n);
}
