// One of many networks, as its trainer sees it: a kernel that learns in a lane, among others or alone.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "networks.hpp"

namespace tinyglass {

template <class T>
class OneOfMany final : public Kernel<T> {
public:
    using Kernel<T>::Kernel;

    const char *name() const override { return "many"; }

    void restore(const State<T> &state) override {
        rest_ = state;
        networks_ = nullptr;
        alone_ = nullptr;
        table_ = nullptr;
        aside_ = nullptr;
        position_ = 0;
        this->updates = state.updates;
    }

    void save(State<T> &state) override {
        if (networks_) {
            networks_->take(lane_, state);
        } else {
            state.parameters = rest_.parameters;
            state.first = rest_.first;
            state.second = rest_.second;
        }
        state.updates = this->updates;
    }

    // Takes a lane, among others that are dealt with by `networks`.
    void join(Networks<T> &networks, std::size_t lane) {
        networks.put(lane, rest_);
        networks.lanes[lane].pace = &this->pace;
        networks_ = &networks;
        lane_ = lane;
    }

    // Leaves the lane, if it is still in it.
    void leave() {
        if (!networks_) return;
        save(rest_);
        networks_ = nullptr;
    }

    // An epoch, before which so many updates were made, has come to this position of `longest`, of which it
    // was shown its own examples. Its last update, of fewer than a batch, is made when the others' batch is full.
    void count_updates(std::int64_t before, std::size_t position, std::size_t longest) {
        const std::size_t batch = batch_of(plan_, longest), all = (train_.n + batch - 1) / batch;
        this->updates = before + static_cast<std::int64_t>(position >= longest ? all : std::min(position / batch, all));
    }

    // Alone.
    std::size_t learn(const std::uint32_t *order, std::size_t n, std::size_t wanted, Tally<T> &tally) override {
        auto &lane = own_lane();
        if (position_ == 0) {
            if (!table_) table_ = std::make_unique<Table<T>>(plan_, train_);
            lane.shown = {table_->rows.data(), order, n};
            lane.updates = this->updates;
            alone_->begin(0, false);
        }
        lane.tally = tally;
        const std::size_t whole = lane.shown.n, taken = std::min(whole - position_, wanted);
        alone_->learn(position_, position_ + taken);
        position_ += taken;
        tally = lane.tally;
        count_updates(lane.updates, position_, whole);
        if (position_ == whole) position_ = 0;
        return taken;
    }

    bool look(const Examples<T> &aside, std::size_t position, std::size_t end, Tally<T> &tally,
              double &weight) override {
        auto &lane = own_lane();
        if (position == 0) {
            if (!aside_) aside_ = std::make_unique<Table<T>>(plan_, aside);
            as_they_come_.resize(aside.n);
            std::iota(as_they_come_.begin(), as_they_come_.end(), 0u);
            lane.shown = {aside_->rows.data(), as_they_come_.data(), aside.n};
            alone_->begin(1, false);
        }
        lane.tally = tally;
        alone_->look(position, end);
        tally = lane.tally;
        weight = lane.weight;
        return true;
    }

    void signals(std::size_t, T *outputs, T *deltas) const override {
        networks_->signals(lane_, outputs, deltas);
    }

private:
    using Kernel<T>::plan_;
    using Kernel<T>::train_;

    State<T> rest_;                    // while it is in no lane
    Networks<T> *networks_ = nullptr;  // where it has lane_
    std::size_t lane_ = 0;
    std::unique_ptr<Networks<T>> alone_;
    std::unique_ptr<const Table<T>> table_, aside_;
    std::vector<std::uint32_t> as_they_come_;  // 0, 1, …: the order of validation
    std::size_t position_ = 0;                 // in the epoch

    typename Networks<T>::Lane &own_lane() {
        if (!alone_) alone_ = make_networks<T>(plan_, 1);
        if (networks_ != alone_.get()) join(*alone_, 0);
        return alone_->lanes[0];
    }
};

}  // namespace tinyglass
