// What compiled OpenMP code calls of libgomp, with threads of the standard library: ThreadSanitizer sees those begin
// and end, and would see nothing of libgomp's. The program's functions come before those of the shared library, for
// torch's code too.

#include <atomic>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

std::atomic<int> max_threads{1};
thread_local int team_size = 1;
thread_local int thread_number = 0;

void run(void (*work)(void*), void* data, int number, int size) {
  const auto before = std::pair(std::exchange(thread_number, number), std::exchange(team_size, size));
  work(data);
  std::tie(thread_number, team_size) = before;
}

}  // namespace

extern "C" {

void GOMP_parallel(void (*work)(void*), void* data, unsigned num_threads, unsigned /*flags*/) {
  const int available = team_size > 1 ? 1 : max_threads.load();
  const int size = num_threads != 0 ? static_cast<int>(num_threads) : available;
  std::vector<std::thread> team;
  for (int number = 1; number < size; ++number) {
    team.emplace_back(run, work, data, number, size);
  }
  run(work, data, 0, size);
  for (std::thread& thread : team) {
    thread.join();
  }
}

int omp_get_thread_num() {
  return thread_number;
}

int omp_get_num_threads() {
  return team_size;
}

int omp_in_parallel() {
  return static_cast<int>(team_size > 1);
}

int omp_get_max_threads() {
  return max_threads.load();
}

void omp_set_num_threads(int number) {
  max_threads.store(number);
}

}  // extern "C"
