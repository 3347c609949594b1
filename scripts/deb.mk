# SPDX-License-Identifier: MIT
# make deb: Debian packages of the command and of the module, built from what
# make dist has packed, looked at by lintian, unpacked and tried.
DEB     := $(BUILD)/deb
DEB_VER := $(VERSION)-1

.PHONY: deb
deb: dist
	@scripts/deps deb
	@rm -rf $(DEB) && mkdir -p $(DEB)
	@cp $(DIST) $(DEB)/luamcp_$(VERSION).orig.tar.gz
	@tar xzf $(DIST) -C $(DEB)
	@{ echo "luamcp ($(DEB_VER)) unstable; urgency=medium"; echo; \
	  echo "  * See CHANGELOG.md."; echo; \
	  echo " -- $$(sed -n 's/^Maintainer: //p' debian/control)  $$(git log -1 --format=%cD)"; \
	} > $(DEB)/luamcp-$(VERSION)/debian/changelog
	@# What this make exports is the clone's.
	cd $(DEB)/luamcp-$(VERSION) && env -u MAKEFLAGS -u LUA_PATH -u LUA_CPATH -u MCP_BUILD \
	  -u BUILD dpkg-buildpackage -b -us -uc > ../log 2>&1 || { tail -30 ../log >&2; exit 1; }
	@# The tag asks for the bug of the request for a package, in Debian alone.
	lintian --allow-root --fail-on error,warning --display-info \
	  --suppress-tags initial-upload-closes-no-bugs $(DEB)/*.changes
	@for file in $(DEB)/luamcp_*.deb $(DEB)/lua-mcp_*.deb; do \
	  dpkg-deb -x $$file $(DEB)/root && dpkg-deb -f $$file Package Version Depends || exit 1; \
	done
	@ln -s root/usr $(DEB)/tree
	@scripts/try-rock $(LUA) "$(CURDIR)/$(DEB)"
