// What networks in lanes are shown: the examples of each, side by side in columns.

#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "rows.hpp"
#include "together.hpp"

namespace tinyglass {

// Of training, or of validation.
template <class R>
class Showing {
    using T = typename R::Number;
    using V = typename R::V;
    using Lane = typename Networks<T>::Lane;
    static constexpr int L = R::L, N = R::N, G = R::G;
    // So many examples are laid out at once; all of an epoch, if they fit and their order stays.
    static constexpr std::size_t laid_together = 16, most_laid = 1 << 20;

public:
    explicit Showing(std::size_t width) : width_(width) {}

    // Before position 0. fixed: every epoch has the same order; again: and everybody is shown the same of it
    // as when this was last called.
    void begin(bool fixed, bool again, std::size_t longest) {
        const bool is_kept = fixed && longest * size() <= most_laid;
        if (!(again && is_kept && n_ == longest)) {
            n_ = is_kept ? longest : laid_together;
            from_ = ~std::size_t{0};
            if ((1 + n_) * size() > columns_.size()) columns_ = Buffer<T>((1 + n_) * size());
        }
        now_ = columns_.data();
    }

    // Goes on to the example at this position of everybody's order; a network that has none is shown its first.
    void show(const std::vector<Lane> &lanes, std::size_t position) {
        if (position < from_ || position >= from_ + n_) lay_out(lanes, position);
        before_ = now_;
        now_ = &columns_[(1 + position - from_) * size()];
    }

    // Columns [width of a table][L]: of what is shown now, and of what was shown before.
    const T *now() const { return now_; }
    const T *before() const { return before_; }

private:
    const std::size_t width_;  // of a table
    Buffer<T> columns_;        // [1 + n_][width_][L]: examples from_ …, and first the one before
    std::size_t from_ = 0, n_ = 0;
    const T *now_ = nullptr, *before_ = nullptr;

    std::size_t size() const { return width_ * L; }

    void lay_out(const std::vector<Lane> &lanes, std::size_t from) {
        T *columns = columns_.data();
        if (now_ != columns) std::copy_n(now_, size(), columns);
        now_ = columns;
        from_ = from;
        for (std::size_t p = 0; p < n_; p += laid_together) {
            const T *rows[laid_together][L];
            const std::size_t n = std::min(laid_together, n_ - p);
            for (int k = 0; k < L; ++k)
                for (std::size_t q = 0; q < n; ++q) {
                    rows[q][k] = row_of(lanes[k].shown, from + p + q);
                    __builtin_prefetch(rows[q][k]);
                }
            for (std::size_t q = 0; q < n; ++q)
                for (int g = 0; g < G; ++g) transpose_to(columns + (1 + p + q) * size() + g * N, &rows[q][g * N]);
        }
    }

    const T *row_of(const Shown<T> &shown, std::size_t position) const {
        return shown.rows + (position < shown.n ? shown.order[position] : 0) * width_;
    }

    // rows [N] of [width_] -> columns [width_] of [N], L apart
    void transpose_to(T *columns, const T *const *rows) const {
        constexpr int C = narrowest<T>;  // columns of a piece
        for (std::size_t c = 0; c < width_; c += C) {
            V piece[C];
            for (int k = 0; k < C; ++k) piece[k] = load_pieces<V>([&](int m) { return rows[k + m * C] + c; });
            transpose<V, C / 2, C>(piece);
            for (int k = 0; k < C; ++k) store(columns + (c + k) * L, piece[k]);
        }
    }
};

}  // namespace tinyglass
