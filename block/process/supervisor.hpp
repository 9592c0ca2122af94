// Supervisor: keeps a block device served by a worker, with a spare that is given the device when the worker dies.
//
//     device made -> worker and spare started -> worker warm: told to serve -> spare warm
//         worker dies: the spare is told at once; another spare is started when it serves
//
// A thin disk's parts are made by a thread of its own, because that asks the mount's server; the spare is told of a
// part before the worker is. So a spare that takes over has all that was ever served.
//
// It has no driver and no GLib, and its memory is locked. Between a worker's death and the word to the spare it takes
// no memory, writes no log and asks nobody but the kernel.
#pragma once

#include "block/process/child.hpp"
#include "block/process/control_socket.hpp"
#include "block/process/device.hpp"
#include "block/process/folder_thread.hpp"

#include <optional>
#include <set>
#include <string>

namespace gmemfs::block {

/// What a command line asks for. A plain value.
struct Order {
    Plan plan; ///< without size, sums and number's choice
    std::string socket_path;
    enum class Spare : std::uint8_t { none, warm } spare = Spare::warm;
    enum class Verify : std::uint8_t { no, yes } verify = Verify::no;
    /// A worker whose supervisor has died, and its descriptors, where its device is to be taken over; else pid 0.
    struct Orphan {
        pid_t pid = 0;
        int shared = -1, listener = -1;
    } orphan = {};
};

class Supervisor {
public:
    /// Takes the lease, makes the device, and has it served. When it returns, the device is there.
    /// ENODATA: the file is empty. EBUSY: another supervisor serves this file. ENOTSUP: swap on a thin disk. Others:
    /// see BrokerSession, ThinFolder, BlockDevice.
    static Result<std::unique_ptr<Supervisor>> create(const Order &order);

    const BlockDevice &device() const { return *device_; }
    /// Until it is told to detach, by its socket or by SIGTERM, and the device is unused. EIO: no worker can serve any
    /// more; the device has gone.
    Result<void> run();

private:
    explicit Supervisor(const Order &order) : order_(order) {}
    Result<void> attach();
    Result<void> attach_file();
    Result<void> attach_folder();
    Result<void> attach_parts(ThinFolder &folder);
    Result<void> make_shared();
    Result<void> mark_written();
    Result<void> adopt();
    Result<void> end_orphan();
    void tell_names();
    Result<void> start();
    Result<void> wait_until(Child &child, Child::State state);
    Result<void> serve_by(Child &child, Signal::Kind how);
    Result<void> replace_worker();
    void look_at_spare();
    void look_at_part(const Signal &signal);
    void hand_parts_out();
    void tell_spare(const Result<void> &told);
    void start_spare();
    void lose_spare(const Error &why);
    Result<void> step();
    void answer_client();
    std::string status() const;
    Result<void> end();

    const Order order_;
    Fd file_; // locked (flock(2)) against another supervisor; none of a thin disk
    std::optional<client::BrokerSession> session_;
    std::optional<ThinFolder> folder_;    // of a thin disk, until its thread has it
    std::unique_ptr<FolderThread> maker_; // of a thin disk
    std::set<std::uint32_t> asked_;       // parts that it makes
    bool has_refused_ = false;            // the last one: said once
    Setup setup_;
    Fd orphan_; // a pidfd of the worker that is taken over from; none otherwise
    std::unique_ptr<BlockDevice> device_;
    std::optional<ControlSocket> control_;
    Fd signals_;
    std::vector<Fd> sockets_;
    std::vector<int> socket_fds_;
    std::optional<Child> worker_, spare_;
    std::uint64_t takeovers_ = 0;
    std::string last_error_;
    std::chrono::steady_clock::time_point told_ = {}, next_spare_ = {};
    int deaths_ = 0; // in a row, each soon after it was told to serve
    bool is_over_ = false;
};

} // namespace gmemfs::block
