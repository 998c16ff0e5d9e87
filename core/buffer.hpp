// Memory for vectors.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace tinyglass {

// n numbers, at first 0; starts at a cache line.
template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::size_t n) : n_(n) {
        if (n == 0) return;
        const std::size_t bytes = (n * sizeof(T) + 127) / 64 * 64;  // a vector may end behind the last number
        data_.reset(static_cast<T *>(std::aligned_alloc(64, bytes)));
        if (!data_) throw std::bad_alloc();
        std::fill_n(data_.get(), bytes / sizeof(T), T(0));
    }
    T *data() { return data_.get(); }
    const T *data() const { return data_.get(); }
    std::size_t size() const { return n_; }
    T &operator[](std::size_t k) { return data_.get()[k]; }
    const T &operator[](std::size_t k) const { return data_.get()[k]; }
    void clear() { std::fill_n(data(), n_, T(0)); }

private:
    struct Free {
        void operator()(T *p) const { std::free(p); }
    };
    std::unique_ptr<T, Free> data_;
    std::size_t n_ = 0;
};

}  // namespace tinyglass
