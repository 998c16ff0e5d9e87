// A few threads that do parts of one job: the same parts every time, so that they change no result.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
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

class Team {
public:
    // Fewer multiplications, some 30 µs of one thread, are not worth a meeting that others may delay.
    static constexpr std::size_t smallest_job = 1'500'000;

    Team() : members_(OneThread::is_wished() ? 1 : allowed_threads().load()) {}
    Team(const Team &) = delete;

    ~Team() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            over_ = true;
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        for (std::thread &thread : threads_) thread.join();
    }

    // Calls part(from, to) for parts of 0 .. n, the calling thread taking the first.
    template <class Part>
    void share(std::size_t n, std::size_t multiplications, Part part) {
        if (members_ < 2 || n < 2 || multiplications < smallest_job) return part(0, n);
        if (threads_.empty()) start();
        const auto run = [&](int member) { part(n * member / members_, n * (member + 1) / members_); };
        job_ = [](const void *context, int member) { (*static_cast<const decltype(run) *>(context))(member); };
        context_ = &run;
        busy_.store(members_ - 1, std::memory_order_relaxed);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            round_.fetch_add(1, std::memory_order_release);
        }
        if (sleepers_.load() > 0) wake_.notify_all();
        run(0);
        for (int looks = 0; busy_.load(std::memory_order_acquire) > 0; ++looks) rest(looks);
    }

private:
    static constexpr int patience = 2000;  // looks before a thread sleeps, some 30 µs

    const int members_;
    std::vector<std::thread> threads_;
    std::atomic<std::size_t> round_{0};
    std::atomic<int> busy_{0}, sleepers_{0};
    void (*job_)(const void *, int) = nullptr;
    const void *context_ = nullptr;
    bool over_ = false;
    std::mutex mutex_;
    std::condition_variable wake_;

    void start() {
        for (int member = 1; member < members_; ++member)
            threads_.emplace_back([this, member, seen = round_.load()]() mutable {
                while (true) {
                    seen = next_round(seen);
                    if (over_) return;
                    job_(context_, member);
                    busy_.fetch_sub(1, std::memory_order_release);
                }
            });
    }

    std::size_t next_round(std::size_t seen) {
        for (int looks = 0; looks < patience; ++looks) {
            const std::size_t now = round_.load(std::memory_order_acquire);
            if (now != seen) return now;
            rest(0);
        }
        std::unique_lock<std::mutex> lock(mutex_);
        ++sleepers_;
        wake_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
        --sleepers_;
        return round_.load(std::memory_order_acquire);
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
