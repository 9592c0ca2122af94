// ReadSource: takes requests by read(2) from /dev/fuse into pinned memory, and answers them by writev(2).
//
//     receive buffer, pinned   | header | fuse_write_in | data, at a page's start |   a write is DMAed from here
//     reply buffer, pinned     | data |                                               a read is DMAed to here, and sent
#pragma once

#include "fuse/session/crew.hpp"
#include "fuse/session/request_source.hpp"
#include "fuse/session/session.hpp"
#include "vmm/device/staging.hpp"

#include <memory>

namespace gmemfs {

class ReadSource final : public RequestSource {
public:
    /// All such sources of the session share `crew`, which outlives them.
    static Result<std::unique_ptr<RequestSource>> create(Device &device, Session &session, Crew &crew);

    Result<bool> begin() override { return true; }
    Result<std::span<std::byte>> receive() override;
    std::span<std::byte> reply_buffer() override { return reply_.bytes(); }
    bool answer(std::span<const iovec> parts) override;
    void done() override { crew_.done(member_); }
    void end() override { crew_.disband(); }

private:
    ReadSource(Session &session, Crew &crew, PinnedBuffer receive, PinnedBuffer reply)
        : session_(session), crew_(crew), receive_(std::move(receive)), reply_(std::move(reply)) {}

    Session &session_;
    Crew &crew_;
    Crew::Member member_;
    PinnedBuffer receive_;
    PinnedBuffer reply_;
};

} // namespace gmemfs
