// Stream: owners of CUDA streams and of CUDA events.
#pragma once

#include "vmm/device/device.hpp"

#include <utility>

namespace gmemfs {

/// Owner of one stream that doesn't wait for the legacy default stream. Move-only. Not thread-safe.
class Stream {
public:
    static Result<Stream> create(Device &device) {
        TRY(device.make_current());
        CUstream stream = nullptr;
        TRY(device.check(device.driver().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "make stream"));
        return Stream(device.driver(), stream);
    }
    /// Of a device that is lost: none.
    static Stream none(const Device &device) { return Stream(device.driver(), nullptr); }
    Stream(Stream &&other) noexcept : driver_(other.driver_), stream_(std::exchange(other.stream_, nullptr)) {}
    Stream &operator=(Stream &&) = delete;
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    ~Stream() {
        // The analyzer loses sight of what Result's union holds.
        // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
        if (stream_ != nullptr) driver_.cuStreamDestroy(stream_);
    }
    CUstream get() const { return stream_; }

private:
    Stream(const Driver &driver, CUstream stream) : driver_(driver), stream_(stream) {}

    const Driver &driver_;
    CUstream stream_;
};

/// Owner of one event, without timing. Move-only. Not thread-safe.
class Event {
public:
    static Result<Event> create(Device &device) {
        TRY(device.make_current());
        CUevent event = nullptr;
        TRY(device.check(device.driver().cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "make event"));
        return Event(device.driver(), event);
    }
    Event(Event &&other) noexcept : driver_(other.driver_), event_(std::exchange(other.event_, nullptr)) {}
    Event &operator=(Event &&) = delete;
    Event(const Event &) = delete;
    Event &operator=(const Event &) = delete;
    ~Event() {
        if (event_ != nullptr) driver_.cuEventDestroy(event_);
    }
    CUevent get() const { return event_; }

private:
    Event(const Driver &driver, CUevent event) : driver_(driver), event_(event) {}

    const Driver &driver_;
    CUevent event_;
};

} // namespace gmemfs
