// A few threads that do parts of one job: the same parts every time, so that they change no result.

#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tinyglass {

// How many threads large products may use; set from Python.
inline std::atomic<int> &allowed_threads() {
    static std::atomic<int> n{1};
    return n;
}

// Fewer multiplications, some 30 µs of one thread, are not worth a meeting that others may delay. (Tests share
// smaller jobs.)
constexpr std::size_t smallest_job = 1'500'000;
inline std::atomic<std::size_t> &smallest_shared_job() {
    static std::atomic<std::size_t> multiplications{smallest_job};
    return multiplications;
}

// While one lives, teams that this thread makes have one member: others keep the machine busy.
class OneThread {
public:
    explicit OneThread(bool wished = true) : before_(std::exchange(wished_(), wished_() || wished)) {}
    OneThread(const OneThread &) = delete;
    ~OneThread() { wished_() = before_; }

    static bool is_wished() { return wished_(); }

private:
    const bool before_;

    static bool &wished_() {
        static thread_local bool wished = false;
        return wished;
    }
};

// One that runs `work`, or no thread where the machine can start none.
template <class Work>
std::thread thread_or_none(Work work) {
    try {
        return std::thread(work);
    } catch (const std::system_error &) {
        return {};
    }
}

class Team {
public:
    Team() : members_(OneThread::is_wished() ? 1 : allowed_threads().load()) {}
    Team(const Team &) = delete;

    ~Team() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            over_ = true;
        }
        wake_.notify_all();
        for (std::thread &thread : threads_)
            if (thread.joinable()) thread.join();
    }

    // Calls part(from, to) for parts of 0 .. n, a few for each member. Who is free takes the next one, so that
    // nobody waits long for a thread that has not come or is slow.
    template <class Part>
    void share(std::size_t n, std::size_t multiplications, Part part) {
        if (members_ < 2 || n < 2 || multiplications < smallest_shared_job() || stays_alone()) return part(0, n);
        if (threads_.empty()) start();
        parts_ = static_cast<int>(std::min<std::size_t>(n, parts_of_each * static_cast<std::size_t>(members_)));
        const auto run = [&](int k) { part(n * k / parts_, n * (k + 1) / parts_); };
        job_ = [](const void *context, int k) { (*static_cast<const decltype(run) *>(context))(k); };
        context_ = &run;
        done_.store(0, std::memory_order_relaxed);
        const auto began = Clock::now();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            left_.store(parts_);
        }
        if (sleepers_.load() > 0) wake_.notify_all();
        while (take_part()) {
        }
        const auto ended = Clock::now();
        for (int looks = 0; done_.load(std::memory_order_acquire) < parts_; ++looks) rest(looks);
        learn_from(Clock::now() - ended > ended - began);
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr int patience = 2000;  // looks before a thread sleeps, some 30 µs
    static constexpr std::size_t parts_of_each = 2;
    static constexpr int shortest_time_alone = 16, longest_time_alone = 4096;  // jobs

    const int members_;
    std::vector<std::thread> threads_;
    std::atomic<int> left_{0}, done_{0};  // parts of the job
    std::atomic<int> sleepers_{0};
    std::atomic<bool> over_{false};
    int parts_ = 0;
    void (*job_)(const void *, int) = nullptr;
    const void *context_ = nullptr;
    std::mutex mutex_;
    std::condition_variable wake_;
    int time_alone_ = shortest_time_alone, alone_for_ = 0;

    // Where others keep the machine busy, a thread may stop in the midst of its part; then it is quicker to
    // be alone for a while.
    bool stays_alone() { return alone_for_ > 0 && alone_for_-- > 0; }
    void learn_from(bool waited_long) {
        if (waited_long) alone_for_ = time_alone_;
        time_alone_ = waited_long ? std::min(2 * time_alone_, longest_time_alone) : shortest_time_alone;
    }

    // Does a part, if one is left. Who has taken one keeps the job from being over, and so its context alive.
    bool take_part() {
        int left = left_.load();
        while (left > 0 && !left_.compare_exchange_weak(left, left - 1)) {
        }
        if (left <= 0) return false;
        job_(context_, parts_ - left);
        done_.fetch_add(1, std::memory_order_release);
        return true;
    }

    void start() {
        for (int member = 1; member < members_; ++member)
            threads_.push_back(thread_or_none([this] {
                while (wait_for_work()) take_part();
            }));
    }

    // False when there will be no more.
    bool wait_for_work() {
        for (int looks = 0; looks < patience; ++looks) {
            if (left_.load() > 0) return true;
            rest(0);
        }
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleepers_;
        wake_.wait(lock, [&] { return left_.load() > 0 || over_; });
        --sleepers_;
        return !over_;
    }

    static void rest(int looks) {
        if (looks > patience) return std::this_thread::yield();
#if defined(__x86_64__)
        _mm_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
};

}  // namespace tinyglass
