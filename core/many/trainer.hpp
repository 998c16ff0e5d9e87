// Many trainings at once: each has a trainer of its own, and small networks learn together, in lanes.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "one_of_many.hpp"
#include "../trainer.hpp"

namespace tinyglass {

template <class T>
class ManyTrainer {
public:
    // The plans differ in seed, rate, epochs and baseline only. Where the trainers' kernels are "many", they
    // learn together, otherwise one after another. Threads take the next as they become free, those with
    // many examples first.
    [[gnu::cold]] ManyTrainer(std::vector<std::unique_ptr<Trainer<T>>> trainers, std::size_t n_threads)
        : trainers_(std::move(trainers)), results_(trainers_.size()) {
        waiting_.resize(trainers_.size());
        std::iota(waiting_.rbegin(), waiting_.rend(), std::size_t{0});
        std::stable_sort(waiting_.begin(), waiting_.end(), [&](std::size_t a, std::size_t b) {
            return trainers_[a]->train().n < trainers_[b]->train().n;
        });
        crews_ = std::vector<Crew>(std::clamp<std::size_t>(n_threads, 1, trainers_.size()));
        std::size_t longest = 0;
        for (const auto &trainer : trainers_) longest = std::max(longest, trainer->validation().n);
        as_they_come_.resize(longest);
        std::iota(as_they_come_.begin(), as_they_come_.end(), 0u);
        if (trainers_.front()->kernel() != std::string("many")) return;
        for (Crew &crew : crews_) {
            crew.networks = make_networks<T>(trainers_.front()->plan, trainers_.size() / crews_.size());
            crew.seats.resize(crew.networks->lanes.size());
        }
    }

    // Trains until all are over (then true), or until the time is up.
    bool run(double seconds) {
        const auto deadline =
            Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        std::vector<std::exception_ptr> troubles(crews_.size());
        const auto run_crew = [&](std::size_t k) {
            try {
                run(crews_[k], deadline);
            } catch (...) {  // out of memory
                troubles[k] = std::current_exception();
            }
        };
        std::vector<std::thread> threads;
        for (std::size_t k = 1; k < crews_.size(); ++k) threads.push_back(thread_or_none([&, k] { run_crew(k); }));
        run_crew(0);
        for (std::size_t k = 1; k < crews_.size(); ++k)
            threads[k - 1].joinable() ? threads[k - 1].join() : run_crew(k);
        for (const std::exception_ptr &trouble : troubles)
            if (trouble) std::rethrow_exception(trouble);
        return std::all_of(crews_.begin(), crews_.end(), [](const Crew &crew) { return crew.phase == Phase::over; });
    }

    // Leaves off where it is, for good.
    void stop() {
        for (Crew &crew : crews_) {
            for_seated(crew, [&](Seat &seat, auto &lane) {
                if (crew.phase == Phase::learning) seat.learnt = lane.tally;
                const std::size_t n = trainer(seat).train().n;
                const std::size_t longest = crew.phase == Phase::learning ? crew.networks->longest() : n;
                const std::size_t position = crew.phase == Phase::learning ? crew.position : n;
                network(seat).count_updates(lane.updates, position, longest);
                results_[seat.who] = trainer(seat).pause_epoch(seat.learnt, std::min(position, n));
                stand_up(seat, lane);
            });
            if (crew.who != nobody) results_[crew.who] = trainers_[crew.who]->leave_off();
            crew.phase = Phase::over;
        }
        waiting_.clear();
    }

    std::size_t size() const { return trainers_.size(); }
    Trainer<T> &operator[](std::size_t k) { return *trainers_[k]; }
    Status status(std::size_t k) const { return results_[k]; }  // paused until it is over

    // Of all epochs, those of trainings that are over included.
    double share_done() const {
        double sum = 0;
        for (std::size_t k = 0; k < size(); ++k) {
            const double epochs = static_cast<double>(trainers_[k]->plan.epochs);
            sum += results_[k] == Status::paused ? static_cast<double>(trainers_[k]->epoch()) / epochs : 1;
        }
        return sum / static_cast<double>(size());
    }

private:
    using Clock = std::chrono::steady_clock;
    using Lane = typename Networks<T>::Lane;
    using Go = void (Networks<T>::*)(std::size_t, std::size_t);
    // In multiplications, roughly: about 50 µs between two looks at the clock.
    static constexpr std::size_t between_looks = 500'000;
    static constexpr std::size_t nobody = ~std::size_t{0};

    enum class Phase { between_epochs, learning, validating, over };

    // A lane, and the training in it.
    struct Seat {
        std::size_t who = nobody;
        std::shared_ptr<const Table<T>> train, validation;
        const std::uint32_t *order = nullptr;  // of this epoch
        Tally<T> learnt;
    };

    // What one thread does: networks that learn together, or one that learns alone.
    struct Crew {
        std::unique_ptr<Networks<T>> networks;
        std::vector<Seat> seats;  // [lanes]
        std::size_t who = nobody;
        Phase phase = Phase::between_epochs;
        std::size_t position = 0;
        bool same = false;  // all sit where they sat in the last epoch
    };

    std::vector<std::unique_ptr<Trainer<T>>> trainers_;
    std::vector<Status> results_;
    std::vector<Crew> crews_;
    std::vector<std::size_t> waiting_;  // the next one last
    std::mutex taking_;
    std::vector<std::uint32_t> as_they_come_;  // 0, 1, …: the order of validation

    Trainer<T> &trainer(const Seat &seat) { return *trainers_[seat.who]; }
    OneOfMany<T> &network(const Seat &seat) { return static_cast<OneOfMany<T> &>(trainer(seat).learner()); }

    // use(seat, lane) for all that are taken
    template <class Use>
    void for_seated(Crew &crew, Use use) {
        for (std::size_t k = 0; k < crew.seats.size(); ++k)
            if (crew.seats[k].who != nobody) use(crew.seats[k], crew.networks->lanes[k]);
    }

    void run(Crew &crew, Clock::time_point deadline) {
        if (!crew.networks) return run_one_by_one(crew, deadline);
        while (crew.phase != Phase::over) {
            if (crew.phase == Phase::between_epochs) begin_epoch(crew);
            if (crew.phase == Phase::learning && go_on(crew, &Networks<T>::learn, deadline)) begin_validation(crew);
            if (crew.phase == Phase::validating && go_on(crew, &Networks<T>::look, deadline)) end_epoch(crew);
            if (Clock::now() >= deadline) return;
        }
    }

    void run_one_by_one(Crew &crew, Clock::time_point deadline) {
        while (true) {
            if (crew.who == nobody) crew.who = take_next();
            if (crew.who == nobody) break;
            const std::chrono::duration<double> left = deadline - Clock::now();
            results_[crew.who] = trainers_[crew.who]->run(left.count());
            if (results_[crew.who] == Status::paused) return;
            crew.who = nobody;
        }
        crew.phase = Phase::over;
    }

    // Who has waited longest, or nobody.
    std::size_t take_next() {
        const std::lock_guard<std::mutex> lock(taking_);
        if (waiting_.empty()) return nobody;
        const std::size_t who = waiting_.back();
        waiting_.pop_back();
        return who;
    }

    // True at the end of the phase.
    bool go_on(Crew &crew, Go go, Clock::time_point deadline) {
        Networks<T> &networks = *crew.networks;
        const std::size_t work = trainers_.front()->work_per_example() * networks.lanes.size();
        while (crew.position < networks.longest()) {
            const std::size_t end = std::min(networks.longest(), crew.position + between_looks / work + 1);
            (networks.*go)(crew.position, end);
            crew.position = end;
            if (Clock::now() >= deadline) break;
        }
        return crew.position >= networks.longest();
    }

    void begin_epoch(Crew &crew) {
        for (std::size_t k = 0; k < crew.seats.size(); ++k)
            if (crew.seats[k].who == nobody) {
                const std::size_t who = take_next();
                if (who == nobody) break;
                sit_down(crew, crew.seats[k], who);
                network(crew.seats[k]).join(*crew.networks, k);
                crew.same = false;
            }
        bool anybody = false;
        for_seated(crew, [&](Seat &seat, Lane &lane) {
            seat.order = trainer(seat).open_epoch();
            lane.shown = {seat.train->rows.data(), seat.order, trainer(seat).train().n};
            lane.updates = trainer(seat).updates();
            anybody = true;
        });
        if (!anybody) {
            crew.phase = Phase::over;
            return;
        }
        crew.networks->begin(0, crew.same);
        crew.position = 0;
        crew.phase = Phase::learning;
    }

    void begin_validation(Crew &crew) {
        for_seated(crew, [&](Seat &seat, Lane &lane) {
            seat.learnt = lane.tally;
            const std::size_t n = trainer(seat).train().n;
            network(seat).count_updates(lane.updates, n, n);
            lane.shown = {seat.validation->rows.data(), as_they_come_.data(), trainer(seat).validation().n};
        });
        crew.networks->begin(1, crew.same);
        crew.position = 0;
        crew.phase = Phase::validating;
    }

    void end_epoch(Crew &crew) {
        crew.same = true;
        for_seated(crew, [&](Seat &seat, Lane &lane) {
            const Status status = trainer(seat).close_epoch(seat.learnt, lane.tally, lane.weight);
            if (status == Status::paused) return;
            results_[seat.who] = status;
            stand_up(seat, lane);
            crew.same = false;
        });
        crew.phase = Phase::between_epochs;
    }

    void sit_down(Crew &crew, Seat &seat, std::size_t who) {
        seat.who = who;
        seat.train = table_of(crew, &Seat::train, trainer(seat).train());
        seat.validation = table_of(crew, &Seat::validation, trainer(seat).validation());
    }

    // Shared with a neighbour who has the same examples.
    std::shared_ptr<const Table<T>> table_of(const Crew &crew, std::shared_ptr<const Table<T>> Seat::*part,
                                             const Examples<T> &examples) const {
        for (const Seat &seat : crew.seats)
            if (seat.*part && (seat.*part)->source.inputs == examples.inputs &&
                (seat.*part)->source.expected == examples.expected && (seat.*part)->source.weight == examples.weight &&
                (seat.*part)->source.n == examples.n)
                return seat.*part;
        return std::make_shared<const Table<T>>(trainers_.front()->plan, examples);
    }

    void stand_up(Seat &seat, Lane &lane) {
        network(seat).leave();
        seat = {};
        lane = {};
    }
};

}  // namespace tinyglass
