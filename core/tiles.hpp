// The kernel for mini-batches of all but the smallest networks: every product in tiles.
//
// Errors and gradients have inputs as lanes and so need panels of what the feedforward has in columns;
// that is one transposition of each layer's outputs, little beside its products.

#pragma once

#include "minibatch.hpp"

namespace tinyglass {

template <class T, int N, int NE>
class Tiles final : public MiniBatch<T, N, NE> {
public:
    Tiles(const Plan &plan, const Examples<T> &train) : MiniBatch<T, N, NE>(plan, train) {
        const std::size_t chunk = net_.chunk;
        for (std::size_t l = 0; l < net_.connections.size(); ++l) {
            const auto &c = net_.connections[l];
            const Panels<N> outputs{c.layer.n_out};
            sides_.push_back({outputs, Buffer<T>(l == 0 ? 0 : c.inputs.padded() * chunk),
                              Buffer<T>(outputs.padded() * chunk), std::vector<V>(c.inputs.count())});
            if (chunk < this->batch_size()) memory_[l].gradients = Buffer<T>(c.n_weights());
        }
        this->with_panels_ = true;
    }

    const char *name() const override { return "tiles"; }

    void signals(std::size_t b, T *outputs, T *deltas) const override {
        for (std::size_t l = 0; l < sides_.size(); ++l) {
            const std::size_t n_out = net_.connections[l].layer.n_out;
            for (const Block &block : net_.blocks)
                if (b >= block.first && b < block.first + block.wide)
                    for (std::size_t o = 0; o < n_out; ++o)
                        *outputs++ = net_.outputs_of(l)[Network::at(block, n_out) + o * block.wide + b - block.first];
            const Panels<N> &panels = sides_[l].outputs;
            for (std::size_t o = 0; o < n_out; ++o) {
                const std::size_t q = o / panels.width;
                *deltas++ = sides_[l].deltas[panels.at(q, net_.chunk) + b * panels.wide(q) + o % panels.width];
            }
        }
    }

private:
    using V = Vec<T, N>;
    using Network = TileNetwork<T, N, NE>;
    using MiniBatch<T, N, NE>::net_;
    using MiniBatch<T, N, NE>::memory_;

    // What learning adds to the connections of a layer.
    struct Side {
        Panels<N> outputs;
        Buffer<T> inputs;        // panels [panel of inputs][b]; empty for the first layer
        Buffer<T> deltas;        // panels [panel of neurons][b]
        std::vector<V> squares;  // of the weights of each panel
    };
    std::vector<Side> sides_;

    void learn_chunk(bool first, bool last, Tally<T> &tally) override {
        const std::size_t n_layers = sides_.size();
        for (std::size_t l = 0; l < n_layers; ++l) {
            net_.feed(l, tally.not_finite);
            if (l + 1 < n_layers) into_panels(net_.outputs_of(l), sides_[l + 1].inputs, sides_[l].outputs);
        }
        net_.finish_outputs();
        this->compare_outputs(tally);
        into_panels(this->output_deltas_.data(), sides_.back().deltas, sides_.back().outputs);

        const Rule<T> rule = last ? this->pace.at(++this->updates, this->in_batch_) : Rule<T>{};
        const Part part = first && last ? Part::whole : first ? Part::first : last ? Part::last : Part::middle;
        V squares{};
        for (std::size_t l = n_layers; l-- > 0;) {
            sum_bias(l, first);
            const auto &c = net_.connections[l];
            net_.team.share(c.inputs.count(), c.layer.n_in * c.layer.n_out * net_.n_examples(),
                            [&](std::size_t from, std::size_t to) {
                                for (std::size_t p = from; p < to; ++p) learn_panel(l, p, rule, part);
                            });
            for (const V &of_panel : sides_[l].squares) squares += of_panel;
            if (last) this->update_bias(l, rule);
        }
        if (last) this->add_penalty(squares, tally);
    }

    // The columns of n neurons, as panels.
    void into_panels(const T *columns, Buffer<T> &panels, const Panels<N> &layout) {
        const std::size_t n = net_.n_examples();
        net_.team.share(layout.count(), 16 * layout.n * n, [&](std::size_t first, std::size_t end) {
            for (std::size_t q = first; q < end; ++q)
                for (const Block &block : net_.blocks) {
                    const T *from = columns + Network::at(block, layout.n) + layout.first(q) * block.wide;
                    T *to = panels.data() + layout.at(q, net_.chunk) + block.first * layout.wide(q);
                    const std::size_t here = std::min(n - block.first, block.wide);
                    transpose_rows<Vec<T, NE>>(layout.inside(q), here, [&](std::size_t o) { return from + o * block.wide; },
                                               to, layout.wide(q));
                }
        });
    }

    enum class Part { whole, first, middle, last };  // of a batch

    // Errors of the inputs of one panel, and the update of its weights: neurons in blocks of a panel.
    void learn_panel(std::size_t l, std::size_t p, const Rule<T> &rule, Part part) {
        auto &c = net_.connections[l];
        Side &s = sides_[l];
        s.squares[p] = V{};
        const std::size_t n = net_.n_examples(), wide = c.inputs.wide(p);
        const T *inputs = (l ? s.inputs : this->chunk_->input_panels).data() + c.inputs.at(p, net_.chunk);
        T *errors = l ? sides_[l - 1].deltas.data() + sides_[l - 1].outputs.at(p, net_.chunk) : nullptr;
        with_constant<E_max>(static_cast<int>(wide / N), [&](auto E) {
            for (std::size_t q = 0; q < s.outputs.count(); ++q) {
                const T *deltas = s.deltas.data() + s.outputs.at(q, net_.chunk);
                const std::size_t row = s.outputs.wide(q), n_out = s.outputs.inside(q);
                const std::size_t at = c.inputs.at(p, c.layer.n_out) + s.outputs.first(q) * wide;
                if (l)
                    for_tiles<R_max<E(), T>>(0, n, [&](auto R, std::size_t b) {
                        error_tile<R(), E()>(deltas + b * row, row, c.weights.data() + at, n_out, errors + b * wide, q == 0);
                    });
                for_tiles<R_max<E(), T>>(0, n_out, [&](auto R, std::size_t o) {
                    gradient_tile<R(), E()>(l, rule, part, deltas + o, row, inputs, at + o * wide, s.squares[p]);
                });
            }
        });
        if (l)
            with_activation(net_.connections[l - 1].layer.activation, [&](auto f) {
                for (std::size_t k = 0; k < n * wide; k += N)
                    store(errors + k, f.delta(load<V>(errors + k), load<V>(inputs + k)));
            });
    }

    template <int R, int E>
    [[gnu::noinline]] static void error_tile(const T *deltas, std::size_t row, const T *weights, std::size_t n_out,
                                             T *errors, bool first) {
        Tile<R, E, V> tile;
        if (first)
            tile.clear();
        else
            tile.load_from(errors, E * N);
        tile.add_products(n_out, deltas, row, 1, weights, E * N);
        tile.store_to(errors, E * N);
    }

    // at: where the tile's weights lie, their gradients and memory
    template <int R, int E>
    [[gnu::noinline]] void gradient_tile(std::size_t l, const Rule<T> &rule, Part part, const T *deltas, std::size_t row,
                                         const T *inputs, std::size_t at, V &squares) {
        auto &m = memory_[l];
        T *weights = net_.connections[l].weights.data() + at;
        Tile<R, E, V> tile;
        if (part == Part::whole || part == Part::first)
            tile.clear();
        else
            tile.load_from(m.gradients.data() + at, E * N);
        tile.add_products(net_.n_examples(), deltas, 1, row, inputs, E * N);
        if (part == Part::first || part == Part::middle) {
            tile.store_to(m.gradients.data() + at, E * N);
        } else if (this->way_ == Way::plain) {
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
                for (int e = 0; e < E; ++e) {
                    T *w = weights + (r * E + e) * N;
                    store(w, updated<Way::plain>(rule, load<V>(w), tile.sum[r][e], nullptr, nullptr, squares));
                }
        } else {
            alignas(64) T sums[R * E * N];
            tile.store_to(sums, E * N);
            squares += update_weights<V>(this->way_, rule, weights, sums, m.first.data() + at, m.second.data() + at, R * E * N);
        }
    }

    void sum_bias(std::size_t l, bool first) {
        const Side &s = sides_[l];
        if (!net_.connections[l].layer.bias) return;
        auto &gradients = memory_[l].bias_gradients;
        if (first) gradients.clear();
        const std::size_t n = net_.n_examples();
        for (std::size_t q = 0; q < s.outputs.count(); ++q) {
            const std::size_t wide = s.outputs.wide(q);
            for (std::size_t j = 0; j < wide; j += N) {
                T *to = gradients.data() + s.outputs.first(q) + j;
                const T *from = s.deltas.data() + s.outputs.at(q, net_.chunk) + j;
                V sum = load<V>(to);
                for (std::size_t b = 0; b < n; ++b) sum += load<V>(from + b * wide);
                store(to, sum);
            }
        }
    }
};

}  // namespace tinyglass
